"""Where Redis is, as URLs say; no error and no log shows a password."""

from __future__ import annotations

import pytest

from txengineio.cluster.redis.urls import BadRedisURL, RedisURL, parse_redis_url


@pytest.mark.parametrize(
    ("url", "expected", "shown"),
    [
        (
            "redis://host",
            RedisURL(hosts=(("host", 6379),)),
            "redis://host:6379/0",
        ),
        (
            "redis://10.0.0.1:7000/3",
            RedisURL(hosts=(("10.0.0.1", 7000),), db=3),
            "redis://10.0.0.1:7000/3",
        ),
        (
            "redis://[::1]:7000/",
            RedisURL(hosts=(("::1", 7000),)),
            "redis://[::1]:7000/0",
        ),
        (
            "rediss://chat:p%40ss%2F@host/1?ca=/etc/ca.pem",
            RedisURL(
                hosts=(("host", 6379),),
                db=1,
                tls=True,
                ca="/etc/ca.pem",
                username="chat",
                password="p@ss/",
            ),
            "rediss://host:6379/1",
        ),
        (
            "redis://:secret:2@host",
            RedisURL(hosts=(("host", 6379),), password="secret:2"),
            "redis://host:6379/0",
        ),
        (
            "unix:/run/redis.sock",
            RedisURL(path="/run/redis.sock"),
            "unix:/run/redis.sock?db=0",
        ),
        (
            "unix://chat:secret@/run/redis.sock?db=2",
            RedisURL(path="/run/redis.sock", db=2, username="chat", password="secret"),
            "unix:/run/redis.sock?db=2",
        ),
        (
            "redis+sentinel://:secret@s1,s2:7000/main/1?sentinel_password=x",
            RedisURL(
                hosts=(("s1", 26379), ("s2", 7000)),
                service="main",
                db=1,
                password="secret",
                sentinel_password="x",
            ),
            "redis+sentinel://s1:26379,s2:7000/main/1",
        ),
        (
            "rediss+sentinel://s1/main",
            RedisURL(hosts=(("s1", 26379),), service="main", tls=True),
            "rediss+sentinel://s1:26379/main/0",
        ),
    ],
)
def test_url_is_read_and_shown(url: str, expected: RedisURL, shown: str) -> None:
    found = parse_redis_url(url)
    assert found == expected
    assert str(found) == shown
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("host:6379", "a URL of Redis is redis://HOST:PORT/DB"),
        ("http://host", "a URL of Redis is redis://HOST:PORT/DB"),
        ("", "a URL of Redis is redis://HOST:PORT/DB"),
        ("redis://:se/cret@host", "HOST:PORT"),
        ("redis://:se#cret@host", "written as %XX"),
        ("redis://user@host", "USER:PASSWORD, or :PASSWORD"),
        ("redis://user:@host", "USER:PASSWORD, or :PASSWORD"),
        ("redis://:secret", "HOST:PORT, with a port from 1 to 65535"),
        ("redis://", "HOST:PORT"),
        ("redis:", "HOST:PORT"),
        ("redis://host:0", "a port from 1 to 65535"),
        ("redis://host:secret", "HOST:PORT"),
        ("redis://host:65536", "a port from 1 to 65535"),
        ("redis://h1,h2/0", "HOST:PORT"),
        ("redis://host/secret", "the database in a URL of Redis is a number"),
        ("redis://host/0/1", "ends with a database"),
        ("redis://host/0?ca=x", "comes nothing, not 'ca'"),
        ("rediss://host/0?cert=x", "comes ca, not 'cert'"),
        ("unix:", "unix:/PATH"),
        ("unix:/", "unix:/PATH"),
        ("unix://run/redis.sock", "unix:/PATH"),
        ("unix:/run/redis.sock?db=x", "is a number"),
        ("redis+sentinel://s1,s2", "wants the name of the master"),
        ("redis+sentinel://s1,/main", "HOST:PORT"),
    ],
)
def test_bad_url_is_refused_without_being_shown(url: str, problem: str) -> None:
    with pytest.raises(BadRedisURL) as raised:
        parse_redis_url(url)
    text = str(raised.value)
    assert problem in text
    assert "\n" not in text
    assert "secret" not in text
    assert "cret" not in text
