"""Personal data shows its mask in every text form."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import pytest
from pydantic import BaseModel, ValidationError

from gateway.model.masked import AccountNo, CertNo, Masked, Medical, Phone, mask_text
from gateway.model.masked import PersonName as Name

SECRETS = [
    (CertNo("110101199003071234"), "110101********1234"),
    (CertNo("110101900307123"), "110101*****7123"),
    (CertNo("E12345678"), "E*******8"),
    (CertNo("12"), "**"),
    (Name("张三丰"), "张*"),
    (Name("张"), "*"),
    (Phone("13812341234"), "138****1234"),
    (Phone("12345"), "*****"),
    (AccountNo("6222020200112230"), "****2230"),
    (Medical("急性上呼吸道感染"), "***"),
    (Medical(""), ""),
]


@pytest.mark.parametrize(("secret", "mask"), SECRETS)
def test_every_text_form_is_the_mask(secret: Masked, mask: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("seen %s %r", secret, secret)
    texts = [str(secret), f"{secret}", "%s" % secret, json.loads(json.dumps([secret], default=str))[0]]  # noqa: UP031
    assert texts == [mask] * 4
    assert f"{secret:>30}" == mask.rjust(30)
    if len(secret.reveal()) > 2:
        assert secret.reveal() not in caplog.text + repr(secret) + repr({"k": [secret]})


def test_value_equality_and_reveal() -> None:
    assert CertNo("11010119900307123x") == CertNo("11010119900307123X ")
    assert CertNo("13812341234") != Phone("13812341234")
    assert CertNo("1") != "1"
    assert len({Phone("13812341234"), Phone("13812341234")}) == 1
    assert Name(" 张三 ").reveal() == "张三"
    assert not Name("")


def test_frozen_copied_as_itself_never_pickled() -> None:
    name = Name("张三")
    assert copy.deepcopy({"n": name})["n"] is copy.copy(name) is name
    with pytest.raises(AttributeError):
        name.x = 1
    with pytest.raises(AttributeError):
        del name._value
    with pytest.raises(TypeError):
        pickle.dumps(name)
    with pytest.raises(TypeError):
        json.dumps(name)
    with pytest.raises(TypeError):
        Name(3)  # type: ignore[arg-type]


class Person(BaseModel):
    name: Name
    certno: CertNo | None = None


def test_pydantic_masks_unless_told_to_reveal() -> None:
    person = Person.model_validate({"name": "张三", "certno": "110101199003071234"})
    masked = {"name": "张*", "certno": "110101********1234"}
    assert person.model_dump() == masked
    assert json.loads(person.model_dump_json()) == masked
    assert person.model_dump(context={"reveal": True}) == {"name": "张三", "certno": "110101199003071234"}
    assert json.loads(person.model_dump_json(context={"reveal": True}))["name"] == "张三"
    assert Person(name=Name("李四")).name.reveal() == "李四"
    assert Person.model_validate_json('{"name": "张三"}') == Person(name=Name("张三"))
    assert "张三" not in repr(person)
    assert Person.model_json_schema()["properties"]["name"]["type"] == "string"
    with pytest.raises(ValidationError):
        Person.model_validate({"name": 3})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("身份证11010119900307123X不存在", "身份证110101********123X不存在"),
        ("旧证110101900307123", "旧证110101*****7123"),
        ("电话13812341234/138-1234-1234", "电话138****1234/138****1234"),
        ("卡6222020200112230停用", "卡****2230停用"),
        ("6222 0202 0011 2230 123", "****0123"),
        ("机构H13010000001", "机构H13010000001"),
        ("报文H42010200999202611200935120007", "报文H42010200999202611200935120007"),
        ("2025-03-03 08:00:00 金额1234.56", "2025-03-03 08:00:00 金额1234.56"),
    ],
)
def test_free_text(text: str, masked: str) -> None:
    assert mask_text(text) == masked
