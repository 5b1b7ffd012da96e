"""What the tests of this folder share: where tools are, `sam`, a ministack of their own, and the template as data.

They run in the environment of `aws-sam-cli` (tools/install aws-sam-cli), which has boto3 and the SAM transform.
"""

import json
import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
SAM = ROOT / "infra/sam"
REGION = "eu-central-1"
# What the account is called in ministack.
ACCOUNT = "000000000000"


def target():
    """Artefacts lie outside of the clone, where the next run finds them."""
    given = os.environ.get("CARGO_TARGET_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(given) if given else pathlib.Path(cache) / "cognito-triggers/target"


def tool(name):
    """The folder of programs of a tool that tools/install put there."""
    folder = subprocess.run([ROOT / "tools/install", "--path", name], check=True, capture_output=True, text=True).stdout
    return pathlib.Path(folder.strip())


def environment(**more):
    """Of `sam` and the like: no telemetry, and credentials that are none."""
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "PYTHONWARNINGS": "ignore",
        # Node is that of the machine, if it has one.
        "PATH": f"{tool('cargo-lambda')}:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}:{tool('node')}",
        **more,
    }


def run(*arguments, env, quiet=True):
    """Runs a program, and shows what it said only if it fails. Answers how long it took."""
    started = time.monotonic()
    done = subprocess.run([str(part) for part in arguments], env=env, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - started


def architecture():
    """The one of this machine: what is deployed into ministack runs here."""
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


class Ministack:
    """A ministack on a free port, until the block ends. It expands SAM templates with the transform that `sam` brings along."""

    # What `sam` brings is looked at last, so that ministack runs with the packages it was made for.
    PROGRAM = "import sys; sys.path.append(sys.argv.pop()); from ministack.app import main; sys.exit(main())"

    def __init__(self, log):
        self.log = log

    def __enter__(self):
        import samtranslator

        beside = pathlib.Path(samtranslator.__file__).parents[1]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [tool("ministack") / "python", "-c", self.PROGRAM, str(beside)],
            env=environment(
                BIND_HOST="127.0.0.1",
                GATEWAY_PORT=str(port),
                IOT_MTLS_ENABLED="0",
                LOG_LEVEL="WARNING",
                MINISTACK_REGION=REGION,
                # Functions find AWS here.
                AWS_ENDPOINT_URL=self.endpoint,
                TMPDIR=str(self.log.parent),
            ),
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        until = time.monotonic() + 60
        while True:
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                sys.exit(f"ministack does not start; its log is {self.log}")
            try:
                self.get("/_ministack/health")
                return self
            except OSError:
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(self.endpoint + path, timeout=30) as answer:
            return json.load(answer)

    def client(self, service):
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, s3={"addressing_style": "path"}),
        )


class CognitoLocal:
    """A cognito-local on a free port, until the block ends. It calls functions where `lambdas` is."""

    def __init__(self, folder, lambdas, functions):
        self.folder, self.log = folder, folder / "cognito-local.log"
        (folder / ".cognito").mkdir()
        credentials = {"accessKeyId": "test", "secretAccessKey": "test"}
        client = {"endpoint": lambdas, "region": REGION, "credentials": credentials}
        settings = {"LambdaClient": client, "TriggerFunctions": functions}
        (folder / ".cognito/config.json").write_text(json.dumps(settings))

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [tool("cognito-local") / "cognito-local"],
            cwd=self.folder,
            env=environment(HOST="127.0.0.1", PORT=str(port), NO_UPDATE_NOTIFIER="1", AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE="1"),
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        until = time.monotonic() + 60
        while True:
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                sys.exit(f"cognito-local does not start; its log is {self.log}")
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return self
            except OSError:
                time.sleep(0.05)

    __exit__ = Ministack.__exit__
    client = Ministack.client


def template():
    """The template as data, with `Fn::Sub` and the like written out."""
    from samcli.yamlhelper import yaml_parse

    return yaml_parse((SAM / "template.yaml").read_text())


def event(source, **changes):
    """A sample event, with some members changed: `request={"userAttributes": {..}}` is merged."""

    def merged(old, new):
        if isinstance(old, dict) and isinstance(new, dict):
            return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
        return new

    return merged(json.loads((ROOT / f"tests/events/{source}.json").read_text()), changes)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
