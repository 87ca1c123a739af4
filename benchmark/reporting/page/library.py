"""Vega-Lite as one script, from the package vl-convert-python, which carries it: nothing is downloaded, when made or when looked at."""

from __future__ import annotations

from contextlib import suppress
from importlib import metadata

from benchmark.config import cache_folder
from benchmark.errors import UserError
from benchmark.reporting.writing import write

# The three are under the BSD 3-clause licence, which wants its text wherever they are passed on.
LICENCE = """/*
Vega, Vega-Lite and Vega-Embed: Copyright (c) 2015-2025, University of Washington Interactive Data Lab and contributors. All rights
reserved.
Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are
met:
1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the
documentation and/or other materials provided with the distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse or promote products derived from this
software without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT
LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT
LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON
ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE
USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
*/"""


def script() -> str:
    """Sets ``vegaEmbed``. Putting it together takes seconds, so it is kept in the cache, by the package's version."""
    kept = cache_folder() / f"vega-{metadata.version('vl-convert-python')}.js"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    text = f'{LICENCE}\n(() => {{"use strict";{bundle}\n}})();'.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with suppress(UserError):  # a cache that cannot be written costs the seconds again
        write(kept, text)
    return text
