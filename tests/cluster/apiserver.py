"""A real etcd and a real kube-apiserver on loopback ports, for a test session."""

import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.stages import stages

READY_SECONDS = 90
ADMINISTRATOR, SERVICE = "administrator", "components-api"
TOOL_USERS = ("tool-alpha", "tool-beta")
USERS = (ADMINISTRATOR, SERVICE, *TOOL_USERS)


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass
class ApiServer:
    """The programs, and the credentials of `USERS`."""

    assets: Path
    directory: Path
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start both, and return once the API server is ready."""
        (self.directory / "tokens.csv").write_text(
            "".join(
                f"{user}-token,{user},{user}"
                + (',"system:masters"' if user == ADMINISTRATOR else "")
                + "\n"
                for user in USERS
            )
        )
        key = self.directory / "service-account.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        self._run(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{self.etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{self.etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{self.peer_port}",
            "--unsafe-no-fsync",
        )
        self.start_api_server()

    def start_api_server(self) -> None:
        """Start only the API server, on the running etcd."""
        key = self.directory / "service-account.key"
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.directory / 'certificates'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--audit-log-path={self.directory / 'audit.log'}",
            f"--audit-policy-file={self._audit_policy()}",
            "--audit-log-mode=blocking",
        )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Return once `/readyz` responds with 200; there is no event to wait for."""
        context = ssl._create_unverified_context()  # the certificate is created at startup
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self.processes["kube-apiserver"].poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", context=context, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        log = (self.directory / "kube-apiserver.log").read_text()[-3000:]
        raise RuntimeError(f"the API server is not ready:\n{log}")

    def signal(self, number: signal.Signals) -> None:
        """Send the API server a signal."""
        process = self.processes["kube-apiserver"]
        process.send_signal(number)
        if number is signal.SIGKILL:
            process.wait()

    def stop(self) -> None:
        """Stop all programs."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.stack.close()

    def has(self, program: str) -> bool:
        """Return whether an additional program is available."""
        return (self.assets / program).exists()

    def start_controllers(self) -> None:
        """Start the controllers, each with its own account, as in a cluster."""
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig(ADMINISTRATOR)}",
            f"--service-account-private-key-file={self.directory / 'service-account.key'}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            # No kubelet reports that its Node is there.
            "--controllers=*,-node-lifecycle-controller",
            "--kube-api-qps=300",  # fifty components are made at once, and tests wait for them
            "--kube-api-burst=600",
        )

    def start_kubelets(self) -> None:
        """Start what says of every Pod on every Node how it does (`stages`), and runs none."""
        configuration = self.directory / "stages.yaml"
        configuration.write_text(stages())
        self._run(
            "kwok",
            f"--kubeconfig={self.kubeconfig(ADMINISTRATOR)}",
            f"--config={configuration}",
            "--manage-all-nodes",
        )

    def end(self, program: str) -> None:
        """Stop one of the programs."""
        process = self.processes.pop(program)
        process.kill()
        process.wait()

    def kubeconfig(self, user: str, token: str = "") -> Path:
        """Return a kubeconfig for `user`: one of `USERS`, or one with a token."""
        path = self.directory / f"{user}.kubeconfig"
        cluster = {
            "server": self.url,
            "certificate-authority": str(self.directory / "certificates/apiserver.crt"),
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token or f"{user}-token"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        }
        path.write_text(json.dumps(content))
        return path

    def _audit_policy(self) -> Path:
        path = self.directory / "audit-policy.yaml"
        rule = {"level": "Metadata", "users": [SERVICE], "omitStages": ["RequestReceived"]}
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [rule]}
        path.write_text(json.dumps(policy))
        return path

    def _run(self, program: str, *arguments: str) -> None:
        log = self.stack.enter_context((self.directory / f"{program}.log").open("ab"))
        self.processes[program] = subprocess.Popen(
            [self.assets / program, *arguments],
            stdout=log,
            stderr=log,
            cwd=self.directory,
            env=os.environ | {"GOMAXPROCS": "2"},
        )
