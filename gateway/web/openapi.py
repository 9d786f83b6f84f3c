"""OpenAPI 3.1 made from the declared endpoints, and a page to browse it that needs no internet."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.flows.api import Endpoint
from gateway.model.refusals import dictionary
from gateway.web.context import DESK

_PROBLEM: Final = {
    "type": "object",
    "required": ["code", "title", "exchange_id", "next_action"],
    "properties": {
        name: {"type": "string"} for name in ("code", "title", "title_en", "detail", "exchange_id", "next_action")
    },
}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document. Schemas of the bodies come from their models."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "信医 Xinyi /v1", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}],
        "x-refusal-codes": {code: {"zh": row.zh, "en": row.en} for code, row in dictionary().items()},
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [_parameter(name, "path") for name in _path_names(endpoint.path)]
    parameters += [_parameter(name, "query") for name in endpoint.query]
    found: dict[str, Any] = {
        "summary": endpoint.title_zh,
        "description": f"{endpoint.title_en}. Roles: {', '.join(sorted(endpoint.roles))}.",
        "tags": list(endpoint.tags),
        "responses": {
            "200": {"description": "资源 / the resource"},
            "202": {"description": "结果待定 / outcome not known yet"},
            "default": {
                "description": "拒绝 / refused",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if endpoint.method == "POST":
        parameters.append({**_parameter("Idempotency-Key", "header"), "required": True})
    if endpoint.body is not None:
        schema = endpoint.body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[endpoint.body.__name__] = schema
        reference = {"schema": {"$ref": f"#/components/schemas/{endpoint.body.__name__}"}}
        found["requestBody"] = {"required": True, "content": {"application/json": reference}}
    return {**found, "parameters": parameters}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _path_names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


async def document(request: web.Request) -> web.Response:
    """GET /openapi.json."""
    body = orjson.dumps(describe(request.app[DESK].endpoints))
    return web.Response(body=body, content_type="application/json")


async def page(request: web.Request) -> web.Response:
    """GET /docs: the same as a page."""
    rows = "".join(_row(endpoint) for endpoint in request.app[DESK].endpoints)
    codes = "".join(
        f"<tr><td><code>{code}</code></td><td>{row.http_status}</td><td>{html.escape(row.zh)}</td>"
        f"<td lang=en>{html.escape(row.en)}</td></tr>"
        for code, row in dictionary().items()
    )
    return web.Response(text=_PAGE.format(rows=rows, codes=codes), content_type="text/html", charset="utf-8")


def _row(endpoint: Endpoint) -> str:
    fields = ", ".join(endpoint.body.model_fields) if endpoint.body is not None else ", ".join(endpoint.query)
    cells = (endpoint.method, endpoint.path, endpoint.title_zh, endpoint.title_en, fields, ", ".join(endpoint.roles))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


_PAGE: Final = """<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>信医 /v1</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1a1a1a}}table{{border-collapse:collapse;width:100%}}
td,th{{border-bottom:1px solid #ddd;padding:.35rem .6rem;text-align:left;vertical-align:top}}h2{{margin-top:2rem}}
</style></head><body><h1>信医 /v1 接口</h1><p>机器可读：<a href="/openapi.json">/openapi.json</a></p>
<h2>接口 Endpoints</h2><table><tr><th>方法</th><th>路径</th><th>说明</th><th lang="en">Title</th><th>字段</th>
<th>角色</th></tr>{rows}</table><h2>拒绝码 Refusal codes</h2><table><tr><th>代码</th><th>HTTP</th><th>说明</th>
<th lang="en">Meaning</th></tr>{codes}</table></body></html>"""
