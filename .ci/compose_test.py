"""What must hold of the running docker-compose.yml; `.ci/compose-test` brings it up.

usage: compose_test.py COMPOSE-COMMAND... ; needs boto3 and, beside the interpreter, buf.
"""

import json
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import boto3

COMPOSE = sys.argv[1:]
BUF = pathlib.Path(sys.executable).parent / "buf"
SERVICES = {"predictor": 50051, "decision": 50052, "actuator": 50053, "scheduler": 50054}
INSTANCE_ID = "i-7e805da846a32c3bb"


def compose(*arguments):
    """Standard output of a compose command."""
    return subprocess.run([*COMPOSE, *arguments], check=True, capture_output=True, text=True).stdout


def docker(*arguments):
    """Standard output of a docker command."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def http(url):
    """The JSON behind a URL of the scheduler or of Prometheus."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def call(service, method, request=None):
    """A gRPC call by reflection: buf knows no proto file here."""
    package = service.lower()
    url = f"http://127.0.0.1:{SERVICES[package]}/autoscaler.{package}.v1.{service}Service/{method}"
    command = [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", json.dumps(request or {}), url]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        raise AssertionError(f"{method}: {answer.stderr.strip()}")
    return json.loads(answer.stdout)


def wait_for(what, seconds, probe):
    """The first answer of `probe` that is not None."""
    begin = time.monotonic()
    seen = None
    while time.monotonic() - begin < seconds:
        try:
            answer = probe()
        except (AssertionError, OSError) as error:
            answer, seen = None, error
        if answer is not None:
            print(f"{what}: after {time.monotonic() - begin:.0f} s", flush=True)
            return answer
        time.sleep(1)
    raise AssertionError(f"{what}: not within {seconds} s; last seen {seen}")


def last_result():
    """Ticks so far, and what the last one did for the node."""
    status = call("Scheduler", "GetStatus")
    results = status.get("lastTick", {}).get("results", [])
    return int(status.get("ticks", 0)), results[0] if results else {}


def next_result(condition, what, seconds=120):
    """The result of the first tick from now on that meets the condition."""
    before, _ = last_result()

    def probe():
        ticks, result = last_result()
        return result if ticks > before and condition(result) else None

    return wait_for(what, seconds, probe)


def is_healthy(container):
    """True once the container's own check passes."""
    return True if docker("inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy" else None


def check_containers():
    """Nothing runs as root, writes to its root, or holds a capability."""
    for name in compose("ps", "-q").split():
        container = json.loads(docker("inspect", name))[0]
        host, config = container["HostConfig"], container["Config"]
        label = config["Labels"]["com.docker.compose.service"]
        user = config["User"].split(":")[0]
        assert user not in ("", "0", "root"), f"{label} runs as root"
        assert host["ReadonlyRootfs"], f"{label} can write to its root"
        assert host["CapDrop"] == ["ALL"], f"{label} holds capabilities"
        assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"]), label
        # `up` waits for what others depend on; nobody depends on the scheduler, which may still be starting.
        wait_for(f"{label} is healthy", 60, lambda name=name: is_healthy(name))
        for bindings in host["PortBindings"].values():
            assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings), f"{label} is open to the network"


def check_resize(ec2):
    """The node outgrows t2.small; Prometheus sees it, moto has the next type running, and the decision says why."""

    def resized():
        described = ec2.describe_instances(InstanceIds=[INSTANCE_ID])
        instance = described["Reservations"][0]["Instances"][0]
        seen = (instance["InstanceType"], instance["State"]["Name"])
        return seen if seen == ("t2.medium", "running") else None

    try:
        wait_for("resize at moto", 420, resized)
    except AssertionError:
        print(json.dumps(last_result(), indent=2))
        raise

    def succeeded():
        decisions = call("Decision", "ListDecisions")["decisions"]
        return next((one for one in decisions if one.get("outcome") == "OUTCOME_SUCCEEDED"), None)

    decision = wait_for("outcome reported", 120, succeeded)
    assert decision["action"] == "ACTION_SCALE_UP", decision
    explained = json.dumps(call("Decision", "ExplainDecision", {"decisionId": decision["decisionId"]}))
    assert "t2.small" in explained and "t2.medium" in explained, explained
    print(f"decision: {decision['reason']}")

    def followed():
        query = urllib.parse.quote(f'count(node_cpu_seconds_total{{instance="{INSTANCE_ID}",mode="idle"}})')
        result = http(f"http://127.0.0.1:9090/api/v1/query?query={query}")["data"]["result"]
        return True if result and result[0]["value"][1] == "2" else None

    wait_for("Prometheus sees two vCPUs", 60, followed)
    held = next_result(lambda result: result.get("instanceType") == "t2.medium", "the next tick sees the new type")
    assert held["action"] == "hold", held
    status = http("http://127.0.0.1:8000/autoscale_status")
    assert status["decision"] == "noop" and status["reason"], status
    print(f"status: {json.dumps(status)}")


def check_predictor_restart():
    """The predictor may go and come back: ticks go on and hold meanwhile."""
    compose("stop", "predictor")
    without = next_result(lambda result: "predictedCpuPercent" not in result, "a tick without the predictor")
    assert without["action"] == "hold" and without["error"], without
    print(f"without the predictor: {without['error']}")
    compose("start", "predictor")
    next_result(lambda result: "predictedCpuPercent" in result, "a tick with the predictor again")

    def healthy():
        services = call("Scheduler", "GetStatus")["services"]
        return True if all(service["state"] == "serving" for service in services) else None

    wait_for("all services serve", 60, healthy)


def report():
    """Sizes, for the record."""
    print("image sizes and resident memory (main process):")
    for service in SERVICES:
        size = int(docker("image", "inspect", "--format", "{{.Size}}", f"cloud-autoscaler/{service}"))
        process = docker("inspect", "--format", "{{.State.Pid}}", compose("ps", "-q", service).strip()).strip()
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
        resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        print(f"  {service:<10} {size / 1e6:6.1f} MB  {resident / 1024:6.1f} MiB")


def main():
    """All checks, in the order in which the loop goes."""
    ec2 = boto3.client(
        "ec2",
        endpoint_url="http://127.0.0.1:5000",
        region_name="eu-central-1",
        aws_access_key_id="moto",
        aws_secret_access_key="moto",
    )
    check_containers()
    check_resize(ec2)
    check_predictor_restart()
    check_containers()
    report()


if __name__ == "__main__":
    main()
