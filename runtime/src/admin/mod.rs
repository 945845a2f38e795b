//! The door for people: health, metrics and status over HTTP.
