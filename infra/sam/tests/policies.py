"""Every role of a function may do what its rules and it itself declare (infra/grants.json), and nothing else."""

import json
import sys

from house import ROOT, template

GRANTS = json.loads((ROOT / "infra/grants.json").read_text())

# Those that change what a pool does, rather than judge it: whoever wants a function there attaches it.
NOT_HERE = {"UserMigration", "InboundFederation"}

# The triggers with a function of their own, if every trigger has one.
TRIGGERS = {trigger for triggers in GRANTS["triggers"].values() for trigger in triggers} - NOT_HERE

# What a kind of resource is in this stack. Files of users and templates lie where the rules' defaults say.
PLACES = {
    "ledger-table": {"Fn::GetAtt": ["Ledger", "Arn"]},
    "ledger-index": {"Fn::Sub": "${Ledger.Arn}/index/due"},
    "user-pool": {"Fn::GetAtt": ["UserPool", "Arn"]},
    "sender-identity": {"Fn::Sub": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${SenderIdentity}"},
    "configuration-set": {"Fn::Sub": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${MailSet}"},
    "user-objects": {"Fn::Sub": "${Files.Arn}/users/*"},
    "template-objects": {"Fn::Sub": "${Files.Arn}/templates/*"},
    "bucket": {"Fn::GetAtt": ["Files", "Arn"]},
    "event-bus": {"Fn::GetAtt": ["Events", "Arn"]},
}

# What Lambda does in the name of a role, not the function: the log; the stream and its dead letters; dead letters.
LAMBDAS_OWN = {
    "log": {("logs:CreateLogStream", "logs:PutLogEvents")},
    "stream": {
        ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
        ("dynamodb:ListStreams",),
        ("sqs:SendMessage",),
    },
    "dead-letters": {("sqs:SendMessage",)},
}


def declared(trigger):
    """Of a function for one trigger, or with None for all: actions by kind of resource."""
    needed = {}
    for rule, grants in GRANTS["rules"].items():
        for grant in grants:
            at = grant["at"] or GRANTS["triggers"][rule]
            if grant["by"] == "function" and (trigger is None or trigger in at):
                needed.setdefault(grant["resource"], set()).update(grant["actions"])
    return needed


def declared_by(function):
    needed = {}
    for grant in GRANTS["functions"][function]:
        needed.setdefault(grant["resource"], set()).update(grant["actions"])
    return needed


def roles(resources):
    """The statements of every role, with those that were added by policies of their own: name of the policy, statement."""
    found = {}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            policies = properties.get("Policies", [])
            assert "ManagedPolicyArns" not in properties, f"{name}: a managed policy allows more than is declared"
            found.setdefault(name, []).extend(
                (policy["PolicyName"], statement)
                for policy in policies
                for statement in policy["PolicyDocument"]["Statement"]
            )
        if resource["Type"] == "AWS::IAM::Policy":
            for role in properties["Roles"]:
                of_role = found.setdefault(role["Ref"], [])
                of_role.extend((properties["PolicyName"], statement) for statement in properties["PolicyDocument"]["Statement"])
    return found


def allowed(statements):
    """Actions by kind of resource, as PLACES names them."""
    kinds = {json.dumps(place, sort_keys=True): kind for kind, place in PLACES.items()}
    found = {}
    for policy, statement in statements:
        statement = dict(statement["Fn::If"][1]) if "Fn::If" in statement else statement
        actions = statement["Action"]
        if policy in LAMBDAS_OWN:
            assert tuple(actions) in LAMBDAS_OWN[policy], (policy, actions)
            continue
        assert statement["Effect"] == "Allow", statement
        place = json.dumps(statement["Resource"], sort_keys=True)
        assert place in kinds, f"no kind of resource is {place}"
        found.setdefault(kinds[place], set()).update(actions)
    return found


def main():
    resources = template()["Resources"]
    of = roles(resources)
    expected = {"PoolRole": declared(None)}
    expected.update({f"{trigger}Role": declared(trigger) for trigger in TRIGGERS})
    jobs = {"CourierRole": "courier", "LinksRole": "links", "SessionReleaseRole": "session-release"}
    expected.update({role: declared_by(name) for role, name in jobs.items()})
    for role, needed in expected.items():
        may = allowed(of[role])
        assert may == needed, f"{role}: the template allows {may}, declared is {needed}"

    others = set(of) - set(expected)
    assert others == {"UserRole", "GuestRole", "SmsRole"}, others
    every = [(role, statement) for role, statements in of.items() for _, statement in statements]
    for role, statement in every:
        for action in (statement["Fn::If"][1] if "Fn::If" in statement else statement)["Action"]:
            assert "*" not in action, f"{role}: {action}"
        # A text message goes to a number, which has no ARN.
        assert statement.get("Resource") != "*" or role == "SmsRole", role

    functions = {name: it for name, it in resources.items() if it["Type"] == "AWS::Serverless::Function"}
    for name, function in functions.items():
        assert function["Properties"]["Role"]["Fn::GetAtt"] == [name.replace("Function", "Role"), "Arn"], name
        only = function["Properties"].get("Environment", {}).get("Variables", {}).get("TRIGGERS_ONLY")
        trigger = name.removesuffix("Function")
        assert only == (trigger if trigger in TRIGGERS else None), name
        if trigger in {*TRIGGERS, "Pool"}:
            assert function["Properties"]["Timeout"] < 5, name
            permission = resources[f"{trigger}Permission"]["Properties"]
            assert permission["Principal"] == "cognito-idp.amazonaws.com", name
            assert permission["SourceArn"] == PLACES["user-pool"] and permission["SourceAccount"] == {"Ref": "AWS::AccountId"}
    print(f"{len(expected)} roles of functions, {len(every)} statements: as declared")


if __name__ == "__main__":
    sys.exit(main())
