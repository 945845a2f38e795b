//! What a guest costs on given rows, and which part of it is the border's: for `sluicegate bench`.

use super::code::Code;
use super::deadline::thread_time;
use super::imports::{Audience, Voice};
use super::loader::{self, HostSettings, Loader, Memory, ModuleFile};
use super::{GuestError, Judgement, Limits, OfferedRow};
use crate::change::Batch;
use crate::telemetry::GuestStats;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long each figure is measured, in processor time: long enough that a clock of microseconds is exact.
const MEASURED: Duration = Duration::from_millis(200);
/// Before it is measured, so that caches are warm.
const WARM_UP: Duration = Duration::from_millis(40);

/// What a pipeline gives to the guest.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub config: Vec<(String, String)>,
    pub limits: Limits,
}

/// What one batch costs. Processor time of the calling thread, which is the same on an idle machine and on a busy one.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    pub rows: usize,
    /// Calls that these rows take.
    pub calls: usize,
    /// Per row: encoding, crossing, the guest, reading its verdicts.
    pub all_ns: f64,
    /// Per row, of that: everything but the guest.
    pub border_ns: f64,
    /// What goes in and comes out, per batch.
    pub frame_bytes: usize,
    pub answer_bytes: usize,
    /// Linear memory afterwards.
    pub memory_bytes: usize,
    /// Rows that were refused.
    pub rejected: u64,
}

/// Weighs a guest with each of the batches. Rows that it does not want are left out; a batch of which nothing is left gives none.
///
/// # Errors
/// If the guest can not be loaded, or can not judge the rows.
pub fn weigh(wasm: &Path, host: &HostSettings, terms: Terms, batches: &[Batch]) -> Result<Vec<Weight>, GuestError> {
    let file = ModuleFile::read(wasm)?;
    let loader = Loader::new(host.clone());
    let examined = super::examine(wasm, host)?.taken?;
    let terms = loader::Terms {
        pipeline: "bench".into(),
        guest: "bench".into(),
        config: terms.config,
        // Whichever it names.
        routes: examined.description.routes,
        limits: terms.limits,
    };
    let blueprint = loader.blueprint(&file, &terms)?;
    let voice = Voice {
        pipeline: terms.pipeline,
        guest: terms.guest,
        generation: file.generation(),
        audience: Some(Arc::new(Audience::new(Arc::new(GuestStats::default())))),
    };
    let mut code = loader.ready(blueprint, voice, Memory::default())?;
    let mut weights = Vec::new();
    for batch in batches {
        let subscriptions = &code.blueprint.subscriptions;
        let wanted = |row: &u32| {
            let op = batch.frame.rows[*row as usize].op;
            subscriptions.of(batch.schema_of(*row as usize), op).is_some()
        };
        let rows: Vec<u32> = (0..batch.len() as u32).filter(wanted).collect();
        let offered: Vec<OfferedRow> = rows.into_iter().map(|row| OfferedRow { row, edits: None }).collect();
        if !offered.is_empty() {
            weights.push(one(&mut code, batch, &offered)?);
        }
    }
    Ok(weights)
}

fn one(code: &mut Code, batch: &Batch, offered: &[OfferedRow]) -> Result<Weight, GuestError> {
    let rows = offered.len();
    let mut rejected = 0;
    let all_ns = measure(|| {
        let outcome = code.judge(batch, offered).map_err(|held| held.0)?;
        rejected = outcome.rejected;
        code.recycle_if_bloated();
        Ok(())
    })?;
    let samples = code.samples(batch, offered)?;
    let mut judgements = vec![Judgement::Pass; rows];
    let border_ns = measure(|| code.cross(batch, offered, &samples, &mut judgements))?;
    Ok(Weight {
        rows,
        calls: samples.len(),
        all_ns: all_ns / rows as f64,
        // Two measurements of nearly the same can come out the other way round.
        border_ns: border_ns.min(all_ns) / rows as f64,
        frame_bytes: samples.iter().map(|sample| sample.frame_bytes).sum(),
        answer_bytes: samples.iter().map(|sample| sample.answer.len()).sum(),
        memory_bytes: code.memory_bytes(),
        rejected,
    })
}

/// Nanoseconds of one turn.
fn measure(mut turn: impl FnMut() -> Result<(), GuestError>) -> Result<f64, GuestError> {
    let mut turns = 1_u32;
    loop {
        let began = thread_time();
        for _ in 0..turns {
            turn()?;
        }
        let took = thread_time().saturating_sub(began);
        if took >= MEASURED {
            return Ok(took.as_nanos() as f64 / f64::from(turns));
        }
        // The first rounds are too short to count, and warm up.
        let per_turn = (took / turns).max(Duration::from_nanos(100));
        let aim = if took < WARM_UP { WARM_UP * 2 } else { MEASURED + WARM_UP };
        turns = (aim.as_nanos() / per_turn.as_nanos()).clamp(1, 50_000_000) as u32;
    }
}
