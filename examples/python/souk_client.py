"""A small client for souk: the five storage classes of SQLite as Python's own types.

NULL is None, INTEGER is int, REAL is float, TEXT is str (bytes that are no UTF-8 come back as surrogates), BLOB is bytes.
The gRPC code is generated from `proto/` when this module is loaded, into a temporary folder.
"""

import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"


def generate(proto):
    """Generates and loads the modules of `souk.v1`; the folder goes away with the process."""
    folder = tempfile.TemporaryDirectory(prefix="souk-python-")
    sources = [str(path) for path in sorted((proto / "souk" / "v1").glob("*.proto"))]
    include = [f"-I{proto}", f"-I{files('grpc_tools') / '_proto'}"]
    out = [f"--python_out={folder.name}", f"--grpc_python_out={folder.name}"]
    if protoc.main(["protoc", *include, *out, *sources]) != 0:
        raise RuntimeError(f"cannot generate code from `{proto}`")
    sys.path.insert(0, folder.name)
    names = ("value_pb2", "query_pb2", "query_pb2_grpc", "write_pb2", "write_pb2_grpc")
    return folder, [import_module(f"souk.v1.{name}") for name in names]


_folder, (value_pb2, query_pb2, query_pb2_grpc, write_pb2, write_pb2_grpc) = generate(PROTO)


class SoukError(Exception):
    """An error of souk: `reason` is a stable word, `message` is for people."""

    def __init__(self, reason, message):
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message

    @staticmethod
    def of(error):
        """Reads the `ErrorInfo` of a gRPC error; the gRPC code stands in when it did not come from souk."""
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == "souk":
                return SoukError(info.reason, error.details())
        return SoukError(error.code().name, error.details())


@dataclass
class Answer:
    """Column names, rows as tuples, and the certificate that says which shards stand behind them."""

    columns: list
    rows: list
    certificate: object


@dataclass
class Executed:
    """Rows changed, the rowid of the last one inserted, what RETURNING gave, and how many shards were written."""

    rows_affected: int
    last_insert_rowid: int | None
    columns: list
    rows: list
    shards: int


def to_wire(value):
    """A Python value as a message."""
    match value:
        case None:
            return value_pb2.Value(null=value_pb2.NULL_VALUE_UNSPECIFIED)
        case int():
            return value_pb2.Value(integer=value)
        case float():
            return value_pb2.Value(real=value)
        case str():
            return value_pb2.Value(text=value.encode("utf-8", "surrogateescape"))
        case bytes():
            return value_pb2.Value(blob=value)
    raise TypeError(f"SQLite has no {type(value).__name__}")


def from_wire(value):
    """A message as a Python value."""
    match value.WhichOneof("kind"):
        case "null":
            return None
        case "text":
            return value.text.decode("utf-8", "surrogateescape")
        case "integer" | "real" | "blob" as kind:
            return getattr(value, kind)
    raise ValueError("a value without a kind")


def parameters(given):
    """A list of values in order, or a dict from names as written in the text (`:id`, `@id`, `$id`) to values."""
    named = given.items() if isinstance(given, dict) else (("", value) for value in given)
    return [value_pb2.Parameter(name=name, value=to_wire(value)) for name, value in named]


def executed(done):
    """What a statement did."""
    return Executed(
        done.rows_affected,
        done.last_insert_rowid if done.HasField("last_insert_rowid") else None,
        [column.name for column in done.columns],
        [tuple(map(from_wire, row.values)) for row in done.rows.rows],
        done.shards,
    )


def statement(sql, given=(), expected=None):
    """A statement of a transaction as a message."""
    one = write_pb2.TransactStatement(sql=sql, parameters=parameters(given))
    if isinstance(expected, bool):
        one.gives_rows = expected
    elif expected is not None:
        one.changes = expected
    return one


class Client:
    """A connection to a coordinator at `host:port`."""

    def __init__(self, address):
        # Answers come in frames of about 1 MiB, but one value may be larger.
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
        self.reading = query_pb2_grpc.QueryServiceStub(self.channel)
        self.writing = write_pb2_grpc.WriteServiceStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def execute(self, sql, given=()):
        """Runs a statement that writes: what it did, and the rows of its RETURNING as tuples."""
        request = write_pb2.ExecuteRequest(sql=sql, parameters=parameters(given), row_format=query_pb2.ROW_FORMAT_ROWS)
        try:
            return executed(self.writing.Execute(request))
        except grpc.RpcError as error:
            raise SoukError.of(error) from None

    def transact(self, statements, request_id=""):
        """Runs statements that happen together or not at all: what each did.

        A statement is a text, or a tuple of a text, its parameters and what is expected of it: a number of rows that it changes, or whether it
        gives rows (True or False). With a `request_id` it may be sent again after a broken connection: it is done once.
        """
        request = write_pb2.TransactRequest(
            request_id=request_id,
            statements=[statement(*((one,) if isinstance(one, str) else one)) for one in statements],
            row_format=query_pb2.ROW_FORMAT_ROWS,
        )
        try:
            return [executed(done) for done in self.writing.Transact(request).results]
        except grpc.RpcError as error:
            raise SoukError.of(error) from None

    def transaction(self, request_id):
        """What a transaction did, by the name of its request; None when it was not done, and then it will not be."""
        try:
            response = self.writing.GetTransaction(write_pb2.GetTransactionRequest(request_id=request_id))
        except grpc.RpcError as error:
            raise SoukError.of(error) from None
        return [executed(done) for done in response.done.results] if response.HasField("done") else None

    def query(self, sql, given=(), shard_key=None, partial=False):
        """Runs a SELECT. With `shard_key`, over that key's rows alone; with `partial`, without shards that fail."""
        mode = query_pb2.FAILURE_MODE_PARTIAL if partial else query_pb2.FAILURE_MODE_UNSPECIFIED
        request = query_pb2.QueryRequest(
            sql=sql,
            parameters=parameters(given),
            shard_key=None if shard_key is None else to_wire(shard_key),
            options=query_pb2.QueryOptions(failure_mode=mode, row_format=query_pb2.ROW_FORMAT_ROWS),
        )
        try:
            return self._read(self.reading.Query(request))
        except grpc.RpcError as error:
            raise SoukError.of(error) from None

    @staticmethod
    def _read(stream):
        columns, rows, certificate = [], [], None
        for response in stream:
            match response.WhichOneof("part"):
                case "header":
                    columns = [column.name for column in response.header.columns]
                case "rows":
                    rows += [tuple(map(from_wire, row.values)) for row in response.rows.rows]
                case "certificate":
                    certificate = response.certificate
        if certificate is None:
            raise SoukError("INTERNAL", "the answer ended without a certificate: rows may be missing")
        return Answer(columns, rows, certificate)
