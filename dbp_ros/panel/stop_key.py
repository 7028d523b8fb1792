"""Space bar of the page: a script that makes it stop the arms from every element.

The page's handler of keys ignores those pressed in form fields, such as a checkbox, and the tabs of
its panels consume them.
"""

import gzip
from functools import lru_cache

from websockets.http11 import Response

HEAD = b"<head>"
# Runs before all other handlers, and passes the key on as if no element had the focus. In a text
# field it types a space; fields of numbers and lists are text fields with another mode or role.
SCRIPT = b"""<script>
addEventListener("keydown", (event) => {
  const field = event.target;
  const restricted = field.inputMode || field.getAttribute?.("role") === "combobox";
  const text = ["text", "textarea"].includes(field.type) && !restricted;
  if (event.code !== "Space" || !event.isTrusted || text) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  document.activeElement?.blur();
  const key = { key: " ", code: "Space", bubbles: true, repeat: event.repeat };
  document.body.dispatchEvent(new KeyboardEvent("keydown", key));
}, true);
</script>"""


def add_stop_key(response: Response) -> None:
    """Add the script to a page; other responses stay as they are."""
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return
    response.body = _with_script(response.body, response.headers.get("Content-Encoding") == "gzip")
    del response.headers["Content-Length"]
    response.headers["Content-Length"] = str(len(response.body))


@lru_cache(maxsize=2)
def _with_script(body: bytes, compressed: bool) -> bytes:
    if compressed:
        return gzip.compress(_with_script(gzip.decompress(body), False))
    return body.replace(HEAD, HEAD + SCRIPT, 1)
