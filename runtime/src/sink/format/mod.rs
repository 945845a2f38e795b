//! Encoders: a row, with the edits laid over it, as the bytes that a receiver reads.
