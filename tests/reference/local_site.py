"""A web server on this machine that can be told to misbehave."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers as the attributes of its `Site` say."""

    def do_GET(self):
        site, path = self.server, self.path
        wanted, whole = self.headers.get("Range"), site.files.get(path)
        site.requests.append((path, wanted))
        if whole is None:
            self.send_error(404)
            return
        tag = f'"{hashlib.md5(whole).hexdigest()}"' if site.tags else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
        if self.headers.get("If-Range") not in (None, tag):
            start = 0
        self.send_response(206 if start else 200)
        if tag:
            self.send_header("ETag", tag)
        if site.lengths:
            self.send_header("Content-Length", str(len(whole) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.end_headers()
        breaks = site.breaks.get(path)
        self.wfile.write(whole[start : breaks.pop(0) if breaks else None])

    def log_message(self, *_):
        pass


class Site(ThreadingHTTPServer):
    """Files by path; where connections break, and which headers there are."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.breaks, self.requests = {}, {}, []
        self.ranges = self.tags = self.lengths = True


@contextmanager
def serve():
    """Run a `Site` in a thread."""
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()
