"""What the distribution is called, contains and needs; tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

# Where the source is published, such as https://github.com/owner/txengineio.
HOME = ""


def package_page(readme: str) -> str:
    """Return the README as the page of the package, which has no files beside it.

    Links to files lead to the published source; while that is nowhere, links keep their
    words only, and pictures are left out.
    """
    picture = f"![\\1]({HOME}/raw/main/\\2)" if HOME else ""
    link = f"[\\1]({HOME}/blob/main/\\2)" if HOME else r"\1"
    readme = re.sub(r"!\[([^]]*)\]\((?!https?:)([^)]*)\)", picture, readme)
    return re.sub(r"(?<!!)\[([^]]*)\]\((?!https?:)([^)]*)\)", link, readme)


setup(
    name="txengineio",
    version="0.1.0",
    description="Engine.IO server and client for Twisted",
    long_description=package_page(
        Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    ),
    long_description_content_type="text/markdown",
    author="txengineio contributors",
    project_urls={
        "Source": HOME,
        "Documentation": f"{HOME}/blob/main/docs/index.md",
        "Changelog": f"{HOME}/blob/main/CHANGELOG.md",
        "Issues": f"{HOME}/issues",
    }
    if HOME
    else {},
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["engine.io", "socket.io", "twisted", "websocket", "long-polling"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Operating System :: MacOS",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Internet :: WWW/HTTP",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # Without the explicit root an editable install hides the plugin from twistd.
    package_dir={"": "."},
    packages=[*find_packages(include=["txengineio*"]), "twisted.plugins"],
    package_data={
        "txengineio": ["py.typed", "*.pyi", "**/*.html", "**/*.js", "**/*.css"]
    },
    zip_safe=False,
    install_requires=[
        # The oldest ones that work, and are safe: make oldest. Twisted before 26.10
        # takes bare CR and LF in headers (twisted#12754); apart from that, 24.11 works,
        # too. Autobahn before 26.10 cuts compressed messages that are too long, or
        # fails on those that cannot be inflated.
        "twisted>=26.10.0",
        # Not in one with it: where another Twisted is pinned, pip would say what
        # twisted[tls] needs, and not for whom.
        "twisted[tls]",
        "autobahn>=26.10.1",
        "treq>=24.9.1",
        # More than Twisted asks for.
        "typing-extensions>=4.6.0",
    ],
    extras_require={
        # More ways to compress the answers to polls.
        "compression": ["brotli>=1.1", "zstandard>=0.23"],
        # Metrics for Prometheus and all that reads OpenMetrics.
        "metrics": ["prometheus-client>=0.22"],
        # Nodes of a cluster that find each other in Redis.
        "redis": ["txredisapi>=1.6", "hiredis>=3"],
        # Socket.IO servers: txengineio.socketio.
        "socketio": ["python-socketio>=5.13"],
        # Makes the documentation site: make docs.
        "docs": [
            "furo>=2025.12",
            "myst-parser>=5",
            "prometheus-client>=0.22",
            "pydoctor>=25.10",
            "python-socketio>=5.13",
            "sphinx>=9",
            "sphinxcontrib-mermaid>=2",
        ],
        "test": [
            "brotli>=1.1",
            "zstandard>=0.23",
            "coverage>=7.10",
            "hypothesis>=6.150",
            "pytest>=9",
            "pytest-cov>=7",
            "pytest-timeout>=2.4",
            "pytest-twisted>=1.14.3",
            "pytest-xdist>=3.8",
            # Builds the wheel that test_packaging.py installs.
            "setuptools>=77",
            "towncrier>=25",
            # SSH and IRC over sessions; twisted.web.websocket beside them.
            "twisted[conch,websocket]",
            # What examples stand beside.
            "flask>=3.1",
            "klein>=24.8",
            "prometheus-client>=0.22",
            # Real peers.
            "aiohttp>=3.10",
            "msgpack>=1.1",
            "python-engineio[asyncio-client,client]>=4.15",
            "python-socketio>=5.13",
            "hiredis>=3",
            "redis>=5",
            "requests>=2.32",
            "txredisapi>=1.6",
            "websocket-client>=1.8",
            # Exact, so that a new release does not turn a green check red;
            # each mypy-zope works with one series of mypy only.
            "mypy==2.4.1",
            "mypy-zope==1.0.17",
            "ruff==0.17.6",
        ],
    },
)
