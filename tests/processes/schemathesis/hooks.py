"""How texts are made whose form the document leaves open."""

import schemathesis
from hypothesis import strategies as st

# Only one that was given is a cursor: none is, to begin with. Others are tried as bad ones are.
schemathesis.openapi.format("cursor", st.just(""))
schemathesis.openapi.format("json", st.sampled_from(["{}", "[1, 2.5]", '"ä"', "null"]))
