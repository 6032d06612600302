"""The distribution: what is installed, what it needs, and the backends that it brings."""

from setuptools import find_packages, setup

setup(
    name="components-api",
    version="0.1.0",
    description="Keeps a tool's configuration and deploys its components: all builds at once.",
    long_description=open("README.md", encoding="utf-8").read(),  # noqa: SIM115 - a build script
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=["components*", "backends*"]),
    package_data={
        "components": ["py.typed", "http/documentation/*.html", "http/documentation/*.js"],
        "backends": [
            "py.typed",
            "builders/tekton/templates/*.yaml",
            "runners/kubernetes/templates/*.yaml",
        ],
    },
    install_requires=[
        "aiohttp>=3.14",
        "aiohttp-apigami>=0.9",
        "aiohttp-sse>=2.2",
        "aiolimiter>=1.2",
        "apispec>=6.10",
        "async-lru>=2.0.5",
        "click>=8.3",
        "cronsim>=2.7",
        "cryptography>=46",
        "environs>=14.6",
        "kubernetes-asyncio>=34.3",
        "marshmallow>=3.26.2,<4",
        "python-json-logger>=4.0",
        "PyYAML>=6.0.3",
        "rich>=14.2",
        "tenacity>=9.1",
        "webargs>=8.7",
    ],
    extras_require={
        "dev": [
            "check-jsonschema>=0.34",
            "common-expression-language>=0.10",
            "coverage>=7.10",
            "helm-python-sdk>=0.2.2",
            "hypothesis>=6.140",
            "import-linter>=2.5",
            "jsonschema>=4.25",
            "kubernetes-validate>=1.34",
            "looptime>=0.7",
            "mypy>=1.18",
            "openapi-core>=0.23",
            "openapi-spec-validator>=0.7.2",
            "pre-commit>=4.3",
            "pytest>=8.4",
            "pytest-aiohttp>=1.1",
            # looptime 0.9 finds the running loop through a fixture that 1.4 took out.
            "pytest-asyncio>=1.2,<1.4",
            "pytest-cov>=7.0",
            "pytest-timeout>=2.4",
            "pytest-xdist>=3.8",
            "ruff>=0.14",
            "schemathesis>=4.3",
            "setuptools>=80",
            "trustme>=1.2",
            "types-jsonschema",
            "types-PyYAML",
            "uv>=0.9",
        ],
    },
    entry_points={
        "console_scripts": ["components = components.cli:main"],
        "components.stores": [
            "kubernetes = backends.stores.kubernetes:KubernetesStore.from_env",
            "memory = backends.stores.memory:MemoryStore.from_env",
        ],
        "components.members": [
            "kubernetes = backends.members.kubernetes:KubernetesMembers.from_env",
            "single = backends.members.single:SingleMember.from_env",
        ],
        "components.builders": [
            "toolforge = backends.builders.toolforge:ToolforgeBuilder.from_env",
            "local = backends.builders.local.builder:LocalBuilder.from_env",
            "tekton = backends.builders.tekton.builder:TektonBuilder.from_env",
            "simulated = backends.builders.simulated:SimulatedBuilder.from_env",
        ],
        "components.runners": [
            "none = backends.runners.none:NoRunner.from_env",
            "kubernetes = backends.runners.kubernetes.runner:KubernetesRunner.from_env",
            "simulated = backends.runners.simulated:SimulatedRunner.from_env",
        ],
    },
)
