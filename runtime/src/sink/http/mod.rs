//! HTTP: one request per message.
