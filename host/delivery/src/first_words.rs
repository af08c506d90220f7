//! A connection that has to say which HTTP it speaks before a deadline.
//!
//! The server tells HTTP/1.1 from HTTP/2 by the first bytes, and has a time limit of its own for each of them only after
//! that. Who opens a connection and says nothing, or breaks off within HTTP/2's preface, would keep it for ever.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What an HTTP/2 client says first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that fails when it is undecided for too long.
pub(crate) struct FirstWords<S> {
    stream: S,
    undecided: Option<Undecided>,
}

struct Undecided {
    deadline: Pin<Box<Sleep>>,
    /// Bytes of the preface so far.
    said: usize,
}

impl<S> FirstWords<S> {
    pub(crate) fn new(stream: S, within: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(within));
        Self { stream, undecided: Some(Undecided { deadline, said: 0 }) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstWords<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(undecided) = &mut self.undecided else { return read };
        if read.is_pending() {
            ready!(undecided.deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was said in time")));
        }
        let words = &buffer.filled()[before..];
        let wanted = &PREFACE[undecided.said..];
        if words.len() < wanted.len() && wanted.starts_with(words) {
            undecided.said += words.len();
        } else {
            self.undecided = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstWords<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::{FirstWords, PREFACE};

    /// What becomes of a connection that says `words` and then nothing.
    async fn reading(words: &[u8]) -> Option<std::io::ErrorKind> {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = FirstWords::new(server, Duration::from_millis(30));
        client.write_all(words).await.expect("written");
        let mut bytes = vec![0; words.len()];
        server.read_exact(&mut bytes).await.expect("read");
        assert_eq!(bytes, words);
        let more = tokio::time::timeout(Duration::from_millis(90), server.read_u8()).await;
        more.ok().map(|read| read.expect_err("nothing more was said").kind())
    }

    #[tokio::test]
    async fn only_who_is_undecided_is_sent_away() {
        let timed_out = Some(std::io::ErrorKind::TimedOut);
        for (words, expected) in [
            (&b""[..], timed_out),
            (b"P", timed_out),
            (&PREFACE[..PREFACE.len() - 1], timed_out),
            (PREFACE, None),
            (b"POST / HTTP/1.1", None),
            (b"G", None),
        ] {
            assert_eq!(reading(words).await, expected, "{}", String::from_utf8_lossy(words));
        }
    }
}
