"""Deploys the example into ministack as a user would, with `cdk bootstrap` and `cdk deploy`, and signs up by an AWS SDK.

What differs from AWS is what ministack lacks: it mounts no layer under /opt for a function of `provided.al2023`, so functions are
told to look for their configuration elsewhere, and that the layer holds the same is looked at.

    deployed.py <folder with node_modules and dist> <folder for what comes out>
"""

import io
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
import zipfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "sam/tests"))
from botocore.exceptions import ClientError  # noqa: E402
from house import ACCOUNT, REGION, Ministack, architecture, environment, event, fresh, target  # noqa: E402

REFUSED = "Please sign up with your company address"
PASSWORD = "Correct-horse-1-battery-staple"
SUB = "0a1b2c3d-0000-4000-8000-00000000a77a"


def programs(folder):
    """The programs that tests use, without their symbols. They can do more than what is deployed, and nothing else."""
    for name in ("pool", "courier", "session-release"):
        (folder / name).mkdir(parents=True)
        subprocess.run(["strip", "-o", folder / name / "bootstrap", target() / "debug" / name], check=True)
    return folder


def cdk(work, ministack, out, *arguments):
    started = time.monotonic()
    said = subprocess.run(
        ["node", "node_modules/aws-cdk/bin/cdk", *map(str, arguments), "--output", str(out / "cdk.out")],
        cwd=work,
        env=environment(
            AWS_ENDPOINT_URL=ministack.endpoint.replace("127.0.0.1", "localhost"),
            CDK_DEFAULT_ACCOUNT=ACCOUNT,
            CDK_DEFAULT_REGION=REGION,
            CDK_DISABLE_CLI_TELEMETRY="true",
            CI="true",
        ),
        capture_output=True,
        text=True,
    )
    if said.returncode != 0:
        sys.exit(f"cdk {' '.join(map(str, arguments))}\nended with {said.returncode}:\n{said.stdout}\n{said.stderr}")
    print(f"cdk {arguments[0]}: {time.monotonic() - started:.1f} s", flush=True)
    return said.stdout


def main(work, out):
    out = fresh(out)
    code = programs(out / "code")
    config = out / "triggers.toml"
    with Ministack(out / "ministack.log") as ministack:
        context = ["--context", f"code={code}", "--context", f"config={config}", "--context", f"architecture={architecture()}"]
        context += ["--context", f"packager={target() / 'debug/local'}"]
        # The other stage is only looked at: `cdk deploy` checks this one itself.
        cdk(work, ministack, out, "synth", "--quiet", "--context", "stage=prod", *context)
        cdk(work, ministack, out, "bootstrap", f"aws://{ACCOUNT}/{REGION}", *context)
        cdk(work, ministack, out, "deploy", "Acme", "--require-approval", "never", "--progress", "events", *context)
        try:
            tried(ministack, config)
        except Exception:
            for group in ministack.client("logs").describe_log_groups()["logGroups"]:
                told = [json.dumps(line) for line in lines(ministack, group["logGroupName"])]
                print(group["logGroupName"], *told, sep="\n  ", file=sys.stderr)
            raise


def tried(ministack, config):
    stack = ministack.client("cloudformation").describe_stacks(StackName="Acme")["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    lambdas, cognito = ministack.client("lambda"), ministack.client("cognito-idp")
    pool = outputs["UserPoolId"]

    # The triggers are set, to one function, which this pool alone may call.
    triggers = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]["LambdaConfig"]
    tokens = triggers.pop("PreTokenGenerationConfig")
    assert tokens["LambdaVersion"] == "V2_0", tokens
    triggers.pop("PreTokenGeneration", None)
    assert set(triggers) == {"PreSignUp", "PostConfirmation", "PreAuthentication", "PostAuthentication"}, triggers
    (arn,) = {*triggers.values(), tokens["LambdaArn"]}
    (statement,) = json.loads(lambdas.get_policy(FunctionName=arn)["Policy"])["Statement"]
    condition = json.dumps(statement["Condition"])
    assert f"userpool/{pool}" in condition and ACCOUNT in condition, statement

    # The layer, which AWS puts to /opt.
    function = lambdas.get_function_configuration(FunctionName=arn)
    (layer,) = [attached["Arn"] for attached in function["Layers"]]
    with urllib.request.urlopen(lambdas.get_layer_version_by_arn(Arn=layer)["Content"]["Location"], timeout=30) as answer:
        content = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert "triggers/provision/README.txt" in content.namelist(), content.namelist()
    config.parent.joinpath("provision").mkdir()
    for name in ("triggers.toml", "provision/README.txt"):
        (config.parent / name).write_bytes(content.read(f"triggers/{name}"))
    assert function["Timeout"] < 5 and len(function["Environment"]["Variables"]["TRIGGERS_KEY"]) == 64, function

    def sign_up(address):
        return cognito.sign_up(
            ClientId=outputs["PublicClientId"], Username=address, Password=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": address}],
        )  # fmt: skip

    sign_up("anna@example.com")
    assert cognito.admin_get_user(UserPoolId=pool, Username="anna@example.com")["UserStatus"] == "UNCONFIRMED"
    try:
        sign_up("eve@evil.example")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UserLambdaValidationException", error
        assert REFUSED in error.response["Error"]["Message"], error
    else:
        raise AssertionError("a stranger signed up")
    users = [user["Username"] for user in cognito.list_users(UserPoolId=pool)["Users"]]
    assert len(users) == 1, users
    decisions = [line for line in lines(ministack, function["LoggingConfig"]["LogGroup"]) if line.get("message") == "decision"]
    decisions.sort(key=lambda line: line["timestamp"])
    outcomes = [line["outcome"] for line in decisions if line["trigger"] == "PreSignUp"]
    assert outcomes == ["passed", "denied"], outcomes

    # ministack does not call this trigger: as Cognito would.
    ministack.client("ses").verify_email_identity(EmailAddress="hello@acme.example")
    confirmed = event(
        "PostConfirmation_ConfirmSignUp",
        userPoolId=pool,
        callerContext={"clientId": outputs["PublicClientId"]},
        request={"userAttributes": {"sub": SUB}},
    )
    answer = lambdas.invoke(FunctionName=arn, Payload=json.dumps(confirmed).encode())
    assert "FunctionError" not in answer and json.load(answer["Payload"]) == confirmed
    bucket = function["Environment"]["Variables"]["TRIGGERS_BUCKET"].removeprefix("s3:")
    files = ministack.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    assert [file["Key"] for file in files] == [f"users/{SUB}/README.txt"], files
    items = ministack.client("dynamodb").scan(TableName=outputs["LedgerTable"])["Items"]
    assert [item["pk"]["S"] for item in items if item["sk"]["S"] == "M"] == [f"U#{pool}#{SUB}"], items
    sent = [mail for all_of in ministack.get("/_ministack/ses/messages")["messages"].values() for mail in all_of]
    welcomes = [mail for mail in sent if mail["Source"] == "hello@acme.example"]
    assert len(welcomes) == 1 and "anna@example.com" in json.dumps(welcomes[0]["To"]), sent

    names = [it["FunctionName"] for it in lambdas.list_functions()["Functions"]]
    (courier,) = [name for name in names if "Courier" in name]
    swept = json.load(lambdas.invoke(FunctionName=courier, Payload=b"{}")["Payload"])
    assert swept.get("faults") == 0 and swept["backlog"]["due"] == 0, swept
    print("SignUp ran the program that was deployed: one passed, one denied; files, mail and member are there")


def lines(ministack, group):
    """What functions logged as JSON."""
    logs = ministack.client("logs")
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
        for message in (entry["message"] for entry in events["events"]):
            if message.startswith("{"):
                yield json.loads(message)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(os.path.abspath(sys.argv[2])))
