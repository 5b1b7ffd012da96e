"""Deploys the template into ministack as a user would, with `sam build` and `sam deploy`, and tries what was deployed.

Only `pool` and `courier` are built, and unoptimised: the others are excluded and switched off by their parameters.

What ministack does of Cognito: PreSignUp and the tokens are asked for real; the other triggers are invoked here as Cognito would,
and once more all but PreAuthentication by cognito-local, in front of the same functions.
It mounts no layers under /opt for a function of `provided.al2023` (its `_provided_worker_env` knows none), so the configuration is
read where it was packaged, by the parameter `Config`; that the layer holds the same is looked at.
"""

import io
import json
import os
import sys
import time
import urllib.request
import zipfile

import tomlkit
from botocore.exceptions import ClientError
from house import ACCOUNT, ROOT, SAM, CognitoLocal, Ministack, architecture, environment, event, fresh, run, target, template, tool

TRIGGERS = ["PreSignUp", "PostConfirmation", "PreAuthentication", "PostAuthentication", "CustomMessage"]
REFUSED = "Please sign up with your company address"
PASSWORD = "correct horse battery staple"
SUB = "0a1b2c3d-0000-4000-8000-00000000a77a"

CONFIGURATION = f"""
[domain-allow-list]
allow   = ["example.com"]
message = "{REFUSED}"

[maintenance]

[session-limit]
max = 2

[sign-in-count]

# cognito-local notes that an address is verified only after PostConfirmation.
[welcome-email]
unverified = true

[s3-provisioning]
files = "provision/"

[templated-message]
name = "Acme Rockets"

# Not inline: the courier's.
[admin-notice]
to       = ["ops@acme.example"]
delivery = "deferred"

[user-events]
delivery   = "deferred"
attributes = ["email"]
"""


class Stack:
    """A deployed stack."""

    def __init__(self, ministack, name):
        self.ministack, self.name = ministack, name
        self.lambdas, self.cognito = ministack.client("lambda"), ministack.client("cognito-idp")
        self.logs = ministack.client("logs")
        stack = ministack.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack["StackStatus"]
        self.is_ = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.pool = self.is_["UserPoolId"]

    def triggers(self):
        config = self.cognito.describe_user_pool(UserPoolId=self.pool)["UserPool"]["LambdaConfig"]
        functions = {trigger: config[trigger].rsplit(":", 1)[1] for trigger in TRIGGERS}
        tokens = config["PreTokenGenerationConfig"]
        assert tokens["LambdaVersion"] == "V2_0", tokens
        return {**functions, "PreTokenGeneration": tokens["LambdaArn"].rsplit(":", 1)[1]}

    def sign_up(self, address):
        return self.cognito.sign_up(
            ClientId=self.is_["PublicClientId"],
            Username=address,
            Password=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": address}],
        )

    def invoke(self, function, payload):
        """The answer, or the error as Cognito would show it."""
        answer = self.lambdas.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
        said = json.load(answer["Payload"])
        return (None, said["errorMessage"]) if "FunctionError" in answer else (said, None)

    def asks(self, function, payload):
        """A trigger is asked and lets it pass; as promised nothing but the response changes."""
        said, error = self.invoke(function, payload)
        assert error is None, f"{payload['triggerSource']}: {error}"
        assert {**said, "response": None} == {**payload, "response": None}, said
        return said["response"]

    def lines(self, function):
        """What the function logged as JSON, and how often it was invoked."""
        group, lines, invocations = f"/aws/lambda/{function}", [], 0
        for stream in self.logs.describe_log_streams(logGroupName=group)["logStreams"]:
            events = self.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
            for message in (entry["message"] for entry in events["events"]):
                invocations += message.startswith("START RequestId")
                if message.startswith("{"):
                    lines.append(json.loads(message))
        # Each invocation has a stream of its own, in no order.
        return sorted(lines, key=lambda line: line.get("timestamp", "")), invocations

    def warnings(self):
        """What functions complained about, for whoever looks into a failure."""
        groups = self.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{self.name}-")["logGroups"]
        for group in groups:
            for line in self.lines(group["logGroupName"].removeprefix("/aws/lambda/"))[0]:
                if line.get("level") in ("WARN", "ERROR"):
                    yield json.dumps(line)

    def items(self):
        return self.ministack.client("dynamodb").scan(TableName=self.is_["LedgerTable"])["Items"]


def stages():
    """What samconfig.toml sets is a parameter of the template, and known to `sam build` as well: it has to know the architecture."""
    known = template()["Parameters"].keys()
    for stage, commands in tomlkit.parse((SAM / "samconfig.toml").read_text()).items():
        if stage == "version":
            continue
        own = [command for command, settings in commands.items() if "parameter_overrides" in settings["parameters"]]
        assert own == ["global"], f"samconfig.toml, {stage}: what {own} is told the others do not hear of"
        named = {setting.split("=", 1)[0] for setting in commands["global"]["parameters"]["parameter_overrides"]}
        assert "Architecture" in named and named <= known, f"samconfig.toml, {stage}: {named - known}"


def packaged(folder):
    """The layer's content, as `cargo local package` writes it."""
    (folder / "provision").mkdir()
    (folder / "triggers.toml").write_text(CONFIGURATION)
    (folder / "provision/README.txt").write_text("These files are yours.\n")
    named = {
        "TRIGGERS_LEDGER": "dynamodb:any",
        "TRIGGERS_DIRECTORY": "cognito",
        "TRIGGERS_MAILER": "ses:hello@acme.example",
        "TRIGGERS_BUCKET": "s3:any",
        "TRIGGERS_PUBLISHER": "eventbridge:any",
    }
    run(target() / "debug/local", "package", folder / "triggers.toml", "--to", folder / "layer", env={**os.environ, **named})
    return folder / "layer"


def built(folder, layer):
    """`sam build` of pool and courier, into a folder outside of the clone. The template is the same, with absolute paths."""
    text = (SAM / "template.yaml").read_text()
    for relative, absolute in (("CodeUri: ../../functions/", f"CodeUri: {ROOT}/functions/"), ("ContentUri: layer/", f"ContentUri: {layer}")):
        assert relative in text
        text = text.replace(relative, absolute)
    # ministack knows no alarms with an expression over several metrics: layout each has three.
    begin, end = text.index("  AnyFaultsAlarm:"), text.index("  CourierFaultsAlarm:")
    (folder / "template.yaml").write_text(text[:begin] + text[end:])
    artefacts = environment(
        SAM_BUILD_MODE="debug",
        CARGO_TARGET_DIR=str(target() / "sam"),
        CARGO_PROFILE_DEV_DEBUG="0",
        CARGO_PROFILE_DEV_STRIP="symbols",
        CARGO_INCREMENTAL="0",
    )
    took = run(
        tool("aws-sam-cli") / "sam", "build", "--template", folder / "template.yaml", "--build-dir", folder / "build",
        "--exclude", "LinksFunction", "--exclude", "SessionReleaseFunction",
        "--parameter-overrides", f"ParameterKey=Architecture,ParameterValue={architecture()}", env=artefacts,
    )  # fmt: skip
    print(f"sam build: {took:.1f} s", flush=True)
    return folder / "build/template.yaml"


def uploaded(ministack, template):
    """`sam package`: what `sam deploy` begins with, here once for both stacks."""
    packaged = template.parents[1] / "packaged.yaml"
    took = run(
        tool("aws-sam-cli") / "sam", "package", "--template", template, "--resolve-s3", "--no-progressbar",
        "--output-template-file", packaged, env=environment(AWS_ENDPOINT_URL=ministack.endpoint),
    )  # fmt: skip
    print(f"sam package: {took:.1f} s", flush=True)
    return packaged


def deployed(ministack, template, name, config, layout):
    took = run(
        tool("aws-sam-cli") / "sam", "deploy", "--template", template, "--stack-name", name, "--resolve-s3",
        "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
        "--parameter-overrides", f"Layout={layout}", f"Architecture={architecture()}", f"Config={config}",
        "WithLinks=no", "WithSessionRelease=no", "Protected=no", "Memory=256",
        "Sender=hello@acme.example", "SenderIdentity=hello@acme.example", "MakeIdentity=yes",
        env=environment(AWS_ENDPOINT_URL=ministack.endpoint),
    )  # fmt: skip
    print(f"sam deploy, layout {layout}: {took:.1f} s", flush=True)
    return Stack(ministack, name)


def until(what, holds, patience=30):
    """Waits for what others do in the background."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {patience} s"
        time.sleep(0.2)


def who_may_sign_up(stack, function):
    before = stack.lines(function)[1] if exists(stack, function) else 0
    stack.sign_up("anna@example.com")
    assert stack.cognito.admin_get_user(UserPoolId=stack.pool, Username="anna@example.com")["UserStatus"] == "UNCONFIRMED"
    try:
        stack.sign_up("eve@evil.example")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UserLambdaValidationException", error
        assert REFUSED in error.response["Error"]["Message"], error
    else:
        raise AssertionError("a stranger signed up")
    try:
        stack.cognito.admin_get_user(UserPoolId=stack.pool, Username="eve@evil.example")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "UserNotFoundException", error
    else:
        raise AssertionError("who was refused is a user")
    lines, invocations = stack.lines(function)
    outcomes = [line["outcome"] for line in lines if line.get("message") == "decision" and line["trigger"] == "PreSignUp"]
    assert outcomes == ["passed", "denied"], outcomes
    assert invocations - before == 2, f"PreSignUp was asked {invocations - before} times for two sign-ups"


def exists(stack, function):
    groups = stack.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function}")["logGroups"]
    return any(stack.logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"] for group in groups)


def who_may_call(stack, functions):
    for function in set(functions.values()):
        policy = json.loads(stack.lambdas.get_policy(FunctionName=function)["Policy"])
        (statement,) = policy["Statement"]
        assert statement["Principal"] == {"Service": "cognito-idp.amazonaws.com"}, statement
        text = json.dumps(statement["Condition"])
        assert f"userpool/{stack.pool}" in text and ACCOUNT in text, text


def one(ministack, stack, layer):
    functions = stack.triggers()
    pool = f"{stack.name}-pool"
    assert set(functions.values()) == {pool}, functions
    who_may_call(stack, functions)
    description = stack.cognito.describe_user_pool(UserPoolId=stack.pool)["UserPool"]
    assert description["MfaConfiguration"] == "OPTIONAL" and description["AutoVerifiedAttributes"] == ["email"]
    assert description["Policies"]["PasswordPolicy"]["MinimumLength"] == 12
    clients = {
        name: stack.cognito.describe_user_pool_client(UserPoolId=stack.pool, ClientId=stack.is_[f"{name}ClientId"])
        for name in ("Public", "Server")
    }
    has_secret = {name: "ClientSecret" in client["UserPoolClient"] for name, client in clients.items()}
    assert has_secret == {"Public": False, "Server": True}, has_secret

    # The layer, which AWS puts to /opt.
    config = stack.lambdas.get_function_configuration(FunctionName=pool)
    (arn,) = [attached["Arn"] for attached in config["Layers"]]
    where = stack.lambdas.get_layer_version_by_arn(Arn=arn)["Content"]["Location"]
    with urllib.request.urlopen(where, timeout=30) as answer:
        content = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert content.read("triggers/triggers.toml") == (layer / "triggers/triggers.toml").read_bytes()
    assert config["Timeout"] < 5 and len(config["Environment"]["Variables"]["TRIGGERS_KEY"]) == 64

    who_may_sign_up(stack, pool)

    # What others hear of new users.
    queue = ministack.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    events = ministack.client("events")
    bus = stack.is_["EventBusName"]
    events.put_rule(Name="heard", EventBusName=bus, EventPattern='{"source":[{"prefix":""}]}')
    events.put_targets(Rule="heard", EventBusName=bus, Targets=[{"Id": "1", "Arn": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:heard"}])

    # ministack does not call this trigger: as Cognito would.
    here = {"userPoolId": stack.pool, "callerContext": {"clientId": stack.is_["PublicClientId"]}}
    anna = {"userAttributes": {"sub": SUB}}
    assert stack.asks(pool, event("PostConfirmation_ConfirmSignUp", request=anna, **here)) == {}
    files = ministack.client("s3").list_objects_v2(Bucket=stack.is_["FilesBucket"]).get("Contents", [])
    assert [file["Key"] for file in files] == [f"users/{SUB}/README.txt"], files

    def to(address):
        mails = ministack.get("/_ministack/ses/messages")["messages"].get(ACCOUNT, [])
        # The others are what ministack's own Cognito sends.
        return sum(address in " ".join(mail["To"]) for mail in mails if mail["Type"] == "SendRawEmail")

    assert to("anna@example.com") == 1
    members = [item for item in stack.items() if item["sk"]["S"] == "M"]
    assert len(members) == 1 and SUB in members[0]["pk"]["S"], members

    # What is deferred the courier gets by the stream: the mail to the administrators, and the event.
    until("the outbox is empty", lambda: not [item for item in stack.items() if item["sk"]["S"].startswith("D#")])
    assert to("ops@acme.example") == 1
    received = ministack.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    told = [json.loads(message["Body"])["detail-type"] for message in received]
    assert told == ["user.confirmed"], told
    rounds = [line for line in stack.lines(f"{stack.name}-courier")[0] if line.get("target") == "round" or line.get("message") == "round"]
    assert any(line.get("trigger") == "stream" for line in rounds), rounds

    # Once more, as Cognito repeats: nothing comes twice.
    assert stack.asks(pool, event("PostConfirmation_ConfirmSignUp", request=anna, **here)) == {}
    swept, error = stack.invoke(f"{stack.name}-courier", {})
    assert error is None and swept["backlog"]["due"] == 0 and swept["faults"] == 0, (swept, error)
    assert (to("anna@example.com"), to("ops@acme.example")) == (1, 1)

    # Sign-ins: two are all a user may have.
    asked = stack.lines(pool)[1]
    for turn in range(3):
        assert stack.asks(pool, event("PreAuthentication_Authentication", request=anna, **here)) == {}
        sign_in = event("PostAuthentication_Authentication", request=anna, **here)
        if turn == 2:
            assert "signed in on too many devices" in stack.invoke(pool, sign_in)[1]
            break
        assert stack.asks(pool, sign_in) == {}
        stack.asks(pool, event("TokenGeneration_Authentication.v2", request=anna, **here))
    assert stack.lines(pool)[1] - asked == 8
    (member,) = [json.loads(item["data"]["S"]) for item in stack.items() if item["sk"]["S"] == "M"]
    assert member["sign-ins"]["count"] == 2 and len(member["sessions"]) == 2, member

    # Tokens ministack asks for itself, for version 2 once for each kind of token.
    stack.cognito.admin_confirm_sign_up(UserPoolId=stack.pool, Username="anna@example.com")
    asked = stack.lines(pool)[1]
    secret = clients["Server"]["UserPoolClient"]["ClientSecret"]
    signed_in = stack.cognito.admin_initiate_auth(
        UserPoolId=stack.pool,
        ClientId=stack.is_["ServerClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={
            "USERNAME": "anna@example.com",
            "PASSWORD": PASSWORD,
            "SECRET_HASH": secret_hash(secret, "anna@example.com" + stack.is_["ServerClientId"]),
        },
    )
    assert "AccessToken" in signed_in["AuthenticationResult"]
    assert stack.lines(pool)[1] - asked == 2
    tokens = [line for line in stack.lines(pool)[0] if str(line.get("source", "")).startswith("TokenGeneration_")]
    assert [line["outcome"] for line in tokens] == ["passed"] * 4, tokens


def secret_hash(secret, text):
    import base64
    import hashlib
    import hmac

    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def each(stack):
    functions = stack.triggers()
    assert len(set(functions.values())) == 6, functions
    who_may_call(stack, functions)
    who_may_sign_up(stack, functions["PreSignUp"])
    # What is not its own a function neither answers nor lets pass.
    said, error = stack.invoke(functions["PreSignUp"], event("PreAuthentication_Authentication", userPoolId=stack.pool))
    assert said is None and "Something went wrong on our side" in error, (said, error)
    here = {"userPoolId": stack.pool, "request": {"userAttributes": {"sub": SUB}}}
    for trigger, source in (
        ("PostConfirmation", "PostConfirmation_ConfirmSignUp"),
        ("PreAuthentication", "PreAuthentication_Authentication"),
        ("PostAuthentication", "PostAuthentication_Authentication"),
        ("PreTokenGeneration", "TokenGeneration_Authentication.v2"),
        ("CustomMessage", "CustomMessage_SignUp"),
    ):
        stack.asks(functions[trigger], event(source, **here))
        assert stack.lines(functions[trigger])[1] == 1, trigger


def emulated(ministack, stack, folder):
    """cognito-local asks triggers that ministack does not. Of its own are the pool, the user and the code; the functions are deployed."""
    function = f"{stack.name}-pool"
    triggers = ("PreSignUp", "CustomMessage", "PostConfirmation", "PostAuthentication", "PreTokenGeneration")
    with CognitoLocal(fresh(folder / "cognito-local"), ministack.endpoint, dict.fromkeys(triggers, function)) as emulator:
        cognito = emulator.client("cognito-idp")
        pool = cognito.create_user_pool(PoolName="local", UsernameAttributes=["email"], AutoVerifiedAttributes=["email"])["UserPool"]["Id"]
        client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="public")["UserPoolClient"]["ClientId"]

        def asked():
            of_pool = [line for line in stack.lines(function)[0] if line.get("message") == "decision" and line["pool"] == pool]
            return [(line["source"], line["outcome"]) for line in of_pool]

        def sign_up(address):
            attributes = [{"Name": "email", "Value": address}]
            cognito.sign_up(ClientId=client, Username=address, Password=PASSWORD, UserAttributes=attributes)

        try:
            sign_up("eve@evil.example")
        except ClientError as error:
            assert REFUSED in error.response["Error"]["Message"], error
        else:
            raise AssertionError("a stranger signed up")
        assert cognito.list_users(UserPoolId=pool)["Users"] == []

        sign_up("berta@example.com")
        (user,) = cognito.list_users(UserPoolId=pool)["Users"]
        said = emulator.log.read_text()
        assert "sign up at Acme Rockets" in said, said
        cognito.confirm_sign_up(ClientId=client, Username="berta@example.com", ConfirmationCode=code(said))
        for _ in range(2):
            cognito.initiate_auth(
                ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters={"USERNAME": "berta@example.com", "PASSWORD": PASSWORD}
            )
        # Every trigger as often as it should be. cognito-local says version "0" of tokens, which is none of Cognito's: echoed.
        expected = [
            ("PreSignUp_SignUp", "denied"),
            ("PreSignUp_SignUp", "passed"),
            ("CustomMessage_SignUp", "passed"),
            ("PostConfirmation_ConfirmSignUp", "passed"),
            *[("PostAuthentication_Authentication", "passed"), ("TokenGeneration_Authentication", "echoed")] * 2,
        ]
        assert asked() == expected, asked()
    (member,) = [json.loads(item["data"]["S"]) for item in stack.items() if item["sk"]["S"] == "M" and pool in item["pk"]["S"]]
    assert member["sign-ins"]["count"] == 2, member
    mails = ministack.get("/_ministack/ses/messages")["messages"].get(ACCOUNT, [])
    greetings = [mail for mail in mails if "berta@example.com" in " ".join(mail["To"])]
    assert len(greetings) == 1, greetings


def code(said):
    """The code cognito-local has sent last, as it prints it."""
    import re

    return re.findall(r"Code: +([0-9]{6})", said)[-1]


def main():
    stages()
    folder = fresh(target() / "tmp/sam-deployed")
    layer = packaged(fresh(folder / "configuration"))
    template = built(folder, layer)
    config = layer / "triggers/triggers.toml"
    with Ministack(folder / "ministack.log") as ministack:
        template = uploaded(ministack, template)
        stack = deployed(ministack, template, "acme-one", config, "one")
        try:
            one(ministack, stack, layer)
            emulated(ministack, stack, folder)
            stack = deployed(ministack, template, "acme-each", config, "each")
            each(stack)
        except Exception:
            for line in stack.warnings():
                print(line)
            raise
    print("deployed and tried")


if __name__ == "__main__":
    sys.exit(main())
