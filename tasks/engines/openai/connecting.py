"""How an address is reached: headers, proxy, certificates, and how many connections this process may hold.

Proxies and private certificates come from the variables that other programs read too: HTTPS_PROXY, HTTP_PROXY,
ALL_PROXY, NO_PROXY; SSL_CERT_FILE and SSL_CERT_DIR, or REQUESTS_CA_BUNDLE. Loopback never goes through a proxy.
"""

import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiohttp
from yarl import URL

from configs.dialects import Dialect
from tasks.engines.protocol import EngineError

try:
    import resource
except ImportError:  # not to be had on Windows, which has no such limit either
    resource = None

_FILES_IN_RESERVE = 256
"""For what else the process opens meanwhile: journals, Parquet, the temporary server's connections."""


class Connection(NamedTuple):
    """What a client session is opened with."""

    headers: Mapping[str, str]
    proxy: str | None
    tls: ssl.SSLContext | bool
    secrets: tuple[str, ...]
    """What no message may repeat."""


def connection_to(url: str, key: str, dialect: Dialect, headers: Mapping[str, str]) -> Connection:
    """How to reach the address. Raises EngineError for a variable that is not set, a proxy or a certificate of no use."""
    told, secrets = dict(headers), [key]
    for name, value in headers.items():
        if value.startswith("$"):
            told[name] = os.environ.get(value[1:].strip("{}"), "").strip()
            secrets.append(told[name])
            if not told[name].isprintable() or not told[name]:
                raise EngineError(
                    f"engine.headers: {name} is the environment variable {value[1:]}, which is not set or no header; "
                    f"`export {value[1:]}=…`."
                )
    if key:
        told[dialect.key_header] = f"Bearer {key}" if dialect.key_header == "Authorization" else key
    proxy = proxy_of(url)
    secrets.append(unquote(urlsplit(proxy).password or "") if proxy else "")
    tls = _tls() if url.startswith("https") else True
    return Connection(told, proxy, tls, tuple(filter(None, secrets)))


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address. Raises EngineError for one of a kind we do not speak."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    found = urllib.request.getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy:
        return None
    scheme, _, rest = proxy.rpartition("://")
    if (scheme or "http") not in {"http", "https"}:
        raise EngineError(
            f"{parts.scheme.upper()}_PROXY is a {scheme} proxy, and only http:// and https:// ones are spoken to; set "
            f"another, or NO_PROXY={host} to go without."
        )
    return f"{scheme or 'http'}://{rest}"


def room_for(connections: int) -> int:
    """So many connections, or as many as this process may hold at most; its limit of open files is raised if need be."""
    if resource is None:
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _open_files() + _FILES_IN_RESERVE
    for wanted in (needed, hard, 10_240):  # the last is macOS's, whose hard limit promises more than it gives
        if soft >= needed or soft == resource.RLIM_INFINITY:
            break
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if allowed > soft:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, soft - _open_files() - _FILES_IN_RESERVE))


def file_limit() -> str:
    """The limit of open files and what to do about it, as a sentence."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if resource else "reached"
    return (
        f"this process may hold no more connections: its limit of open files is {soft}; raise it (`ulimit -n 65536`), "
        "or lower engine.concurrency"
    )


def address(url: str, path: str) -> URL:
    """The address of a path below `base_url`, whose parameters stay behind it. Raises EngineError for what is none."""
    try:
        return _address(url, path)
    except ValueError:
        raise EngineError(f"engine.base_url is {url!r}, which is not a URL.") from None


@lru_cache(maxsize=256)
def _address(url: str, path: str) -> URL:
    base, _, parameters = url.partition("?")
    path, _, further = path.partition("?")
    asked = "&".join(filter(None, (parameters, further)))
    return URL(f"{base.rstrip('/')}{path}{'?' if asked else ''}{asked}")


def to_mend(error: Exception) -> str:
    """What a person has to mend between us and the address; empty for what may pass."""
    match error:
        case aiohttp.InvalidURL():
            return "engine.base_url is not a URL."
        case aiohttp.ClientConnectorCertificateError():
            return f"{error}; name the file of the certificates that signed it in SSL_CERT_FILE."
        case aiohttp.ClientHttpProxyError():
            return (
                f"the proxy says {error.status} {error.message}; correct HTTPS_PROXY or HTTP_PROXY, or name the host in "
                "NO_PROXY to go without."
            )
    return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls() -> ssl.SSLContext:
    """The machine's certificates, or those that the environment names; OpenSSL itself reads SSL_CERT_FILE and _DIR."""
    own = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")}
    for name, path in own.items():
        if path and not Path(path).exists():
            raise EngineError(f"{name} is {path}, which does not exist; correct it or unset it.")
    context = ssl.create_default_context()
    bundle = own["REQUESTS_CA_BUNDLE"]
    if bundle and not own["SSL_CERT_FILE"]:
        try:
            context.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
        except ssl.SSLError as error:
            raise EngineError(
                f"REQUESTS_CA_BUNDLE is {bundle}, which holds no certificates ({error})."
            ) from None
    return context


def _open_files() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return sum(1 for _ in Path(folder).iterdir())
    return 0
