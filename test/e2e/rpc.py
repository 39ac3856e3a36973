"""The etcd API by gRPC from Python, with messages made from proto/ on the spot: for requests that etcdctl can't make. Needs
protoc and Debian's python3-grpcio; `available` says whether they are there."""
import atexit
import os
import shutil
import subprocess
import sys
import tempfile

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto")

try:
    import grpc
    available = shutil.which("protoc") is not None
except ImportError:
    grpc, available = None, False


def load_messages():
    """The modules rpc_pb2, kv_pb2, ..."""
    folder = tempfile.mkdtemp(prefix="holdfast-proto-")
    atexit.register(shutil.rmtree, folder, True)
    names = [n for n in sorted(os.listdir(PROTO)) if n.endswith(".proto")]
    subprocess.run(["protoc", "-I", PROTO, f"--python_out={folder}", *names], check=True, cwd=PROTO)
    sys.path.insert(0, folder)
    import rpc_pb2
    return rpc_pb2


if available:
    pb = load_messages()

REQUESTS = {"Range": "RangeRequest", "Put": "PutRequest", "DeleteRange": "DeleteRangeRequest", "Txn": "TxnRequest",
            "Compact": "CompactionRequest", "LeaseGrant": "LeaseGrantRequest", "LeaseRevoke": "LeaseRevokeRequest",
            "HashKV": "HashKVRequest", "Status": "StatusRequest", "Alarm": "AlarmRequest", "Hash": "HashRequest",
            "Defragment": "DefragmentRequest", "MemberList": "MemberListRequest"}
SERVICES = {"LeaseGrant": "Lease", "LeaseRevoke": "Lease", "HashKV": "Maintenance", "Status": "Maintenance",
            "Alarm": "Maintenance", "Hash": "Maintenance", "Defragment": "Maintenance", "MemberList": "Cluster"}


class Client:
    """client.Put(key=b"k", value=b"v"), or client.call("Put", message): the answer, or grpc.RpcError."""

    def __init__(self, address, **options):
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1),
                                                               ("grpc.max_receive_message_length", -1),
                                                               *options.items()])

    def call(self, method, request, timeout=10, metadata=None):
        response = getattr(pb, REQUESTS[method].replace("Request", "Response"))
        return self.channel.unary_unary(f"/etcdserverpb.{SERVICES.get(method, 'KV')}/{method}",
                                        request_serializer=lambda m: m.SerializeToString(),
                                        response_deserializer=response.FromString)(request, timeout=timeout,
                                                                                   metadata=metadata)

    def __getattr__(self, method):
        if method not in REQUESTS:
            raise AttributeError(method)
        return lambda **fields: self.call(method, getattr(pb, REQUESTS[method])(**fields))

    def answer(self, method, request):
        """As text: the answer with nothing of its headers but the revision, or the error."""
        try:
            response = self.call(method, request)
        except grpc.RpcError as error:
            return f"{error.code()} {error.details()}"
        strip_headers(response)
        return str(response)

    def close(self):
        self.channel.close()


def strip_headers(message):
    if message.DESCRIPTOR.name == "ResponseHeader":
        for field in ("cluster_id", "member_id", "raft_term"):
            message.ClearField(field)
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.label == field.LABEL_REPEATED else [value]:
            strip_headers(part)
