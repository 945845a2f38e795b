//! What is written behind `sluicegate dead`.

use crate::admin::dead::Narrow;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do.
#[derive(Subcommand)]
pub(in crate::cli) enum Dead {
    /// List dead letters, newest first.
    ///
    /// Example: sluicegate dead list --target customers --member 2 --since 2h
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// Show one dead letter, whole: why it died, what its receiver said, what is in it.
    ///
    /// Example: sluicegate dead show 41
    Show {
        /// Its number.
        id: i64,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// Send dead letters again, in the order of the log. Ctrl-C stops it; what was sent is sent.
    ///
    /// Example: sluicegate dead replay --all --target customers --member 2 --rate 20
    Replay {
        #[command(flatten)]
        meant: Meant,
        /// Letters per second.
        #[arg(long, default_value_t = crate::admin::dead::RATE)]
        rate: u32,
        /// Those too over which something newer of the same key was delivered: an older state is put over a newer one.
        #[arg(long)]
        superseded: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// Forget dead letters.
    ///
    /// Example: sluicegate dead drop 41 42
    Drop {
        #[command(flatten)]
        meant: Meant,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// List lanes whose members are gone from the configuration, with what waits for them.
    ///
    /// Example: sluicegate dead lanes
    Lanes {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
    /// Make dead letters of what waits for a lane whose member is gone.
    ///
    /// Example: sluicegate dead take parcels/customers/2
    Take {
        /// PIPELINE/TARGET/MEMBER, as `dead lanes` writes it.
        lane: String,
        /// Drop the messages instead.
        #[arg(long)]
        drop: bool,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: Form,
    },
}

/// Whose dead letters.
#[derive(Args, Clone)]
pub(in crate::cli) struct Place {
    /// The pipelines folder.
    #[arg(long, default_value = "pipelines", value_name = "DIR")]
    pub(super) dir: PathBuf,
}

/// How the answer is written.
#[derive(Args, Clone, Copy)]
pub(in crate::cli) struct Form {
    /// The answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// What letters must be, to be meant.
#[derive(Args)]
pub(in crate::cli) struct Filter {
    /// Of this pipeline.
    #[arg(long)]
    pipeline: Option<String>,
    /// For this target.
    #[arg(long)]
    target: Option<String>,
    /// For this member of a target.
    #[arg(long)]
    member: Option<String>,
    /// From this table: schema.table.
    #[arg(long)]
    table: Option<String>,
    /// With this in their reason.
    #[arg(long)]
    reason: Option<String>,
    /// Died at most so long ago: 30s, 15m, 2h, 3d.
    #[arg(long, value_name = "AGE")]
    since: Option<String>,
    /// With smaller numbers than this: where the last page ended.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// At most so many: the newest of a list (100 unless set), the oldest of what is sent again or dropped.
    #[arg(long)]
    limit: Option<u64>,
}

impl Filter {
    pub(super) fn narrow(self) -> Narrow {
        let Self { pipeline, target, member, table, reason, since, before, limit } = self;
        Narrow { pipeline, target, member, table, reason, since, before, limit }
    }
}

/// Which letters something is done with.
#[derive(Args)]
pub(in crate::cli) struct Meant {
    /// Their numbers.
    #[arg(value_name = "ID")]
    pub(super) ids: Vec<i64>,
    /// All that the filters let through; without any, every dead letter.
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) filter: Filter,
}
