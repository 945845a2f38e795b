//! The program as its user meets it: a folder, an exit code, sentences on standard error, an admin address, and customers who
//! get what was committed. A real PostgreSQL stands at one end, HTTP receivers at the other.

#[path = "support/guests.rs"]
#[allow(dead_code, reason = "shared with the tests of guests, which build more of them")]
mod guests;
#[path = "support/postgres.rs"]
#[allow(dead_code, reason = "shared with the tests of capture, which use more of it")]
mod postgres;

#[path = "run/house.rs"]
mod house;
#[path = "run/receiver.rs"]
mod receiver;

#[path = "run/check.rs"]
mod check;
#[path = "run/dead.rs"]
mod dead;
#[path = "run/door.rs"]
mod door;
#[path = "run/edit.rs"]
mod edit;
#[path = "run/endings.rs"]
mod endings;
#[path = "run/gone.rs"]
mod gone;
#[path = "run/guest_files.rs"]
mod guest_files;
#[path = "run/journey.rs"]
mod journey;
#[path = "run/patience.rs"]
mod patience;
#[path = "run/record.rs"]
mod record;
#[path = "run/sharing.rs"]
mod sharing;
#[path = "run/strain.rs"]
mod strain;
