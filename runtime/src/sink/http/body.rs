//! A body as it goes over the wire: as it is, or compressed.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// What a receiver wants done with bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    #[default]
    None,
    Gzip,
}

/// Longer ones are compressed beside the threads that move everything else: 64 KiB take about a millisecond.
const INLINE_BYTES_MAX: usize = 64 << 10;

pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// The value of `content-encoding`.
    pub(super) encoding: Option<&'static str>,
}

impl Body {
    pub(super) fn plain(bytes: Bytes) -> Self {
        Self { bytes, encoding: None }
    }

    /// Compressed, unless that would make it longer.
    pub(super) async fn gzipped(bytes: Bytes) -> Self {
        let compressed = if bytes.len() <= INLINE_BYTES_MAX {
            gzip(&bytes)
        } else {
            let whole = bytes.clone();
            // A runtime that is being shut down compresses nothing any more; the body can go as it is.
            tokio::task::spawn_blocking(move || gzip(&whole)).await.unwrap_or_default()
        };
        if compressed.is_empty() || compressed.len() >= bytes.len() {
            return Self::plain(bytes);
        }
        Self { bytes: compressed.into(), encoding: Some("gzip") }
    }
}

/// Fast rather than small: JSON shrinks to a fifth either way.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn unpacked(body: &Body) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*body.bytes).read_to_end(&mut plain).expect("gzip");
        plain
    }

    #[tokio::test]
    async fn body_is_smaller_and_the_same_when_it_is_unpacked() {
        for len in [1_000, INLINE_BYTES_MAX + 1, 4 << 20] {
            let bytes = Bytes::from(b"{\"n\":1},".repeat(len / 8));
            let body = Body::gzipped(bytes.clone()).await;
            assert_eq!(body.encoding, Some("gzip"));
            assert!(body.bytes.len() < bytes.len() / 5, "{} of {}", body.bytes.len(), bytes.len());
            assert_eq!(unpacked(&body), bytes);
        }
    }

    #[tokio::test]
    async fn body_that_would_become_longer_goes_as_it_is() {
        for bytes in [&b""[..], b"{}", b"{\"n\":1}"] {
            let body = Body::gzipped(Bytes::from_static(bytes)).await;
            assert_eq!((body.bytes, body.encoding), (Bytes::from_static(bytes), None));
        }
    }
}
