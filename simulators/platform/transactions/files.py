"""Files to and from the platform (9101, 9102; national-interface 3.12)."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any

from simulators.common.wire import Reply
from simulators.platform.dates import stamp
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import StoredFile

_KEPT_DAYS = 30
_ANY_INSTITUTION = "plc"


@transaction("9101")
def upload(m: Message) -> Output:
    """Takes a file as JSON byte list (signed bytes too), Base64, or a multipart part the door has put into ``in``."""
    node = m.node("fsUploadIn", "data")
    stored = store(m, text(node, "filename"), _content(node.get("in")))
    return {
        "file_qury_no": stored.file_qury_no,
        "filename": stored.filename,
        "fixmedins_code": stored.fixmedins_code,
        "dld_endtime": stored.dld_endtime,
    }


def _content(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, list):
            return bytes(number % 256 for number in value)
        if isinstance(value, str) and value:
            return base64.b64decode(value, validate=True)
    except (TypeError, binascii.Error) as error:
        raise Refused("文件数据格式不正确") from error
    raise Refused("文件数据不能为空")


def store(m: Message, filename: str, content: bytes) -> StoredFile:
    """Keeps a file for this institution."""
    number = f"fsi/{m.fixmedins_code}/{m.now:%Y%m%d}{m.state.serial('file'):012x}"
    ends = stamp(m.now + timedelta(days=_KEPT_DAYS))
    row = StoredFile(number, filename, m.fixmedins_code, base64.b64encode(content).decode(), ends)
    m.state.files.put(number, row)
    return row


def stored_file(m: Message, number: str) -> StoredFile:
    """A file of this institution. Raises Refused."""
    row = m.state.files.get(number)
    if row is None or row.fixmedins_code not in (m.fixmedins_code, _ANY_INSTITUTION):
        raise Refused("未找到文件")
    if row.dld_endtime < m.time:
        raise Refused("文件已过下载截止时间")
    return row


@transaction("9102", query=True)
def download(m: Message) -> Output:
    """Answers the raw file; refusals come as the usual JSON."""
    node = m.node("fsDownloadIn", "data")
    row = stored_file(m, text(node, "file_qury_no"))
    if text(node, "filename") != row.filename:
        raise Refused("文件名与文件查询号不一致")
    disposition = {"Content-Disposition": f'attachment; filename="{row.file_qury_no[-20:]}"'}
    return Reply(base64.b64decode(row.content), content_type="application/octet-stream", headers=disposition)
