//! The state against what disks do: damage, no room, no permission; and how fast it is.

#[path = "store/history.rs"]
mod history;

#[path = "store/damage.rs"]
mod damage;
#[path = "store/kill.rs"]
mod kill;
#[path = "store/room.rs"]
mod room;
#[path = "store/speed.rs"]
mod speed;
