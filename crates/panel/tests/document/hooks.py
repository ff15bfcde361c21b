"""What Schemathesis needs to know of the Panel: what there is to ask about, and what a refusal must look like."""

import json
import os
import random
import re

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation

KNOWN = json.loads(os.environ["OPTERIUS_KNOWN"])
# The inputs come from Schemathesis' own seed; this only chooses among what there is.
CHOICE = random.Random(int(os.environ["OPTERIUS_SEED"]))

# The states of the accounts that an operation is asked of, where it is not any. What uses accounts up has some for itself.
STATES = {
    "account.terminate": ["to_terminate", "to_terminate", "to_terminate", "terminated"],
    "account.restore": ["terminated", "terminated", "terminated", "gone", "active"],
    "account.unsuspend": ["suspended", "active"],
    "account.repair": ["drifted", "active"],
    "account.plan": ["drifted", "active", "suspended", "terminated"],
}
ANY = ["active", "active", "active", "suspended", "drifted", "terminated", "gone", "attention"]

# What the Panel could not do for another's sake. Its own failure, `internal`, is none of these.
FAILURES = {"needs_attention", "provisioning_failed", "mail_not_taken", "server_unreachable", "server_not_configured"}


def name_of(case):
    return case.operation.definition.raw["operationId"]


def a_domain():
    return CHOICE.choice([f"d{CHOICE.getrandbits(40):x}.example", f"Bücher{CHOICE.getrandbits(40):x}.example", f"a.b{CHOICE.getrandbits(40):x}.co.uk"])


# Names that are of no use by chance: either nothing has them, or no name is like them.
NAMES = {
    "package": lambda: CHOICE.choice(KNOWN["package_names"]),
    "server": lambda: CHOICE.choice([*KNOWN["servers"], "default"]),
    "domain": a_domain,
    "hostname": a_domain,
    "host": lambda: CHOICE.choice(["mail.hoster.example", "localhost", "127.0.0.1", "::1"]),
    "nameservers": lambda: [a_domain(), a_domain()],
    "names": lambda: [a_domain()],
    "time_zone": lambda: CHOICE.choice(["Europe/Berlin", "utc", "America/Port-au-Prince"]),
    "sender": lambda: "panel@hoster.example",
    "recipients": lambda: ["ops@hoster.example"],
    "content": lambda: CHOICE.choice(["192.0.2.7", "10 mail", "mail.{domain}", "2001:db8::7", '0 issue "ca.example"', "10 5 5060 sip"]),
}


def an_id(case):
    name = name_of(case)
    noun = name.split(".")[0]
    if case.path.startswith("/api/accounts/"):
        state = CHOICE.choice(STATES.get(name, ANY))
        return CHOICE.choice(KNOWN["accounts"][state])
    if noun == "operation":
        states = ["attention", "finished"] if name in ("operation.retry", "operation.abandon") else ["finished"]
        return CHOICE.choice(KNOWN["operations"][CHOICE.choice(states)])
    return CHOICE.choice({"package": KNOWN["packages"], "token": KNOWN["tokens"], "server": [*KNOWN["servers"], "default"]}[noun])


def is_negative(case, location):
    components = case.meta.components if case.meta else {}
    return location in components and components[location].mode.is_negative


def name_something(value):
    """Puts names of use where the document allows any."""
    if isinstance(value, list):
        for one in value:
            name_something(one)
    elif isinstance(value, dict):
        for name, given in value.items():
            if name in NAMES and isinstance(given, (str, list)):
                value[name] = NAMES[name]()
            else:
                name_something(given)
        if "package" in value and "package_id" in value:
            del value[CHOICE.choice(["package", "package_id"])]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Most of the ids and names that the document allows become those of something that is there; the others stay as they came."""
    path = case.path_parameters
    if path and not is_negative(case, ParameterLocation.PATH) and CHOICE.random() < 0.8:
        if "id" in path:
            path["id"] = an_id(case)
        elif "username" in path:
            path["username"] = CHOICE.choice(KNOWN["administrators"])
    for location, values in ((ParameterLocation.BODY, case.body), (ParameterLocation.QUERY, case.query)):
        if isinstance(values, dict) and not is_negative(case, location) and CHOICE.random() < 0.7:
            name_something(values)


def problem(response):
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@schemathesis.check
def fails_only_at_what_it_names(ctx, response, case):
    """A status from 500 on says what could not be done for another's sake. The Panel's own failure is none of them."""
    code = problem(response).get("code")
    if response.status_code >= 500 and code not in FAILURES:
        raise Failure(operation=case.operation.label, title="The Panel failed", message=f"{response.status_code} with the code {code}")


def resolved(document, schema):
    while isinstance(schema, dict) and "$ref" in schema:
        target = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema if isinstance(schema, dict) else {}


def also_refused(document, schema):
    """The codes with which what a schema allows is refused all the same."""
    schema = resolved(document, schema)
    codes = set(schema.get("x-also-refused", ()))
    for one in [*schema.get("oneOf", ()), schema.get("items", {}), *schema.get("properties", {}).values()]:
        if one:
            codes |= also_refused(document, one)
    return codes


def schema_of(case, field):
    """The schema of a field that a refusal names: of the query, or of the body with a path such as `records[0].name`."""
    document, operation = case.operation.schema.raw_schema, case.operation.definition.raw
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == field and parameter["in"] == "query":
            return document, parameter["schema"]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for part in re.findall(r"\w+|\[\d+\]", field):
        schema = resolved(document, schema)
        objects = [schema, *(resolved(document, one) for one in schema.get("oneOf", ()))]
        if part.startswith("["):
            schema = next((one["items"] for one in objects if "items" in one), {})
        else:
            schema = next((one["properties"][part] for one in objects if part in one.get("properties", {})), {})
    return document, schema


@schemathesis.check
def refuses_only_as_documented(ctx, response, case):
    """What the document allows is refused as invalid only with a code that the field's schema names in `x-also-refused`."""
    if response.status_code != 422 or not case.meta or not case.meta.generation.mode.is_positive:
        return
    for error in problem(response).get("errors") or [{"field": "", "code": "none"}]:
        if error["code"] not in also_refused(*schema_of(case, error["field"])):
            message = f"`{error['field']}` is refused with the code {error['code']}: {error.get('detail')}"
            raise Failure(operation=case.operation.label, title="Refused against the document", message=message)
