//! What a lane carries: encoded bytes with everything that a sink must know. It is not made again after a reload.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// The same on every attempt and after every restart: made from source, position and index, never drawn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub Arc<str>);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message to one lane.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    /// Messages of one lane with equal keys are delivered in order, one at a time.
    pub key: Bytes,
    pub body: Bytes,
    pub content_type: Arc<str>,
    pub headers: Vec<(Arc<str>, String)>,
    /// What the route says about where: the path of an HTTP request, a topic, a key. Empty if the route says nothing.
    pub place: String,
    /// The HTTP method; other sinks do not look.
    pub method: Arc<str>,
    /// When the change was committed: microseconds since the Unix epoch, by the database's clock.
    pub committed_at_us: i64,
}

impl Message {
    /// What the message takes of a lane's memory: bytes and an estimate for the structures around them.
    pub fn byte_len(&self) -> usize {
        const AROUND: usize = 256;
        let headers: usize = self.headers.iter().map(|(n, v)| n.len() + v.len() + 48).sum();
        AROUND + self.id.0.len() + self.key.len() + self.body.len() + self.place.len() + headers
    }
}
