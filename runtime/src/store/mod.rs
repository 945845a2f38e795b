//! The embedded state, as a port: what must survive the process. Parked messages and dead letters will live here as well.
