//! One generation of a guest at work: rows in calls of bounded size, and blame for the row at which a call broke.
//!
//! ```text
//!   rows ─▶ plan (which projection?) ─▶ calls of up to 64 ─▶ verdicts
//!                                          │ broke
//!                                          └─▶ new instance, the same rows one by one
//! ```

mod border;

use super::imports::Voice;
use super::instance::{Breakage, Instance};
use super::limits::{CALL_BYTES_MAX, CALL_ROWS_MAX, Limits};
use super::project::{Encoder, Projection};
use super::subscription::{OPS, Subscriptions};
use super::verdicts::{decode, rejection};
use super::world::Linked;
use super::{Description, Generation, GuestError, Judgement, OfferedRow};
use crate::change::{Batch, Op, Schema, SchemaId};
use crate::telemetry::count;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// Everything needed to make instances of one generation.
pub(super) struct Blueprint {
    pub(super) pre: Linked,
    pub(super) generation: Generation,
    pub(super) description: Description,
    pub(super) subscriptions: Subscriptions,
    pub(super) config: Vec<(String, String)>,
    pub(super) routes: Vec<String>,
    pub(super) limits: Limits,
}

/// Why a batch can not be judged at all. It is kept, and the source waits, until another file or another table comes.
#[derive(Debug)]
pub(super) struct Held(pub(super) GuestError);

/// What became of the offered rows.
pub(super) struct Outcome {
    pub(super) judgements: Vec<Judgement>,
    /// Rows that the guest was called for.
    pub(super) called: u64,
    pub(super) dropped: u64,
    pub(super) rejected: u64,
    /// Of the rejected: rows at which the guest broke a limit or itself.
    pub(super) broken: u64,
}

/// A generation with its instance.
pub(super) struct Code {
    pub(super) blueprint: Arc<Blueprint>,
    pub(super) voice: Voice,
    /// `None` after a breakage, until the next call.
    instance: Option<Instance>,
    tables: HashMap<TableKey, [Plan; OPS.len()]>,
    projections: Vec<Projection>,
    encoder: Encoder,
    /// The plans for the schemas that came last, all of one source: batches have few, and mostly the same.
    plans: Vec<(SchemaId, [Plan; OPS.len()])>,
    plans_source: Arc<str>,
    /// The rows that are collected for the next call.
    call: Vec<Place>,
}

/// Ids of schemas are counted per source.
type TableKey = (Arc<str>, SchemaId);

#[derive(Clone, Debug)]
enum Plan {
    /// No such row was seen yet.
    Unasked,
    Unwanted,
    /// Index into `projections`.
    Ready(usize),
    /// The table has changed away from under the guest.
    Refused(Arc<str>),
}

const UNASKED: [Plan; OPS.len()] = [const { Plan::Unasked }; OPS.len()];

/// Versions of tables that one generation remembers. Ids are never reused, so those of dropped tables would pile up.
const TABLES_MAX: usize = 4096;

/// Schemas on the short list, which is searched row by row.
const SHORT_LIST_MAX: usize = 16;

/// A collected row: its index among the offered ones, and what of it crosses.
#[derive(Clone, Copy)]
struct Place {
    offered: usize,
    projection: usize,
}

impl Code {
    /// Starts a generation: `describe` was called on another instance, `init` is called here.
    pub(super) fn start(blueprint: Arc<Blueprint>, voice: Voice) -> Result<Self, GuestError> {
        let mut code = Self {
            encoder: Encoder::new(blueprint.limits.cell_bytes),
            blueprint,
            voice,
            instance: None,
            tables: HashMap::new(),
            projections: Vec::new(),
            plans: Vec::new(),
            plans_source: "".into(),
            call: Vec::with_capacity(CALL_ROWS_MAX),
        };
        code.awake()?;
        Ok(code)
    }

    pub(super) fn generation(&self) -> &Generation {
        &self.blueprint.generation
    }

    /// Throws the instance away; the next one is made when it is needed.
    pub(super) fn recycle(&mut self) {
        if self.instance.take().is_some()
            && let Some(audience) = &self.voice.audience
        {
            count(&audience.stats.recycles_total);
        }
    }

    /// Throws away an instance that leaks, between two batches. A guest with state keeps it and meets its limit instead.
    pub(super) fn recycle_if_bloated(&mut self) {
        if !self.blueprint.description.stateful && self.instance.as_ref().is_some_and(Instance::is_bloated) {
            self.recycle();
        }
    }

    pub(super) fn change_thread(&mut self) {
        if let Some(instance) = &mut self.instance {
            instance.change_thread();
        }
    }

    /// Tells the guest about a table before the first row of it comes.
    pub(super) fn announce(&mut self, source: &Arc<str>, schema: &Arc<Schema>) -> Result<(), GuestError> {
        for op in OPS {
            self.plan(source, schema, op)?;
        }
        Ok(())
    }

    /// An instance that has been described, initialised and told about every table.
    fn awake(&mut self) -> Result<&mut Instance, GuestError> {
        if self.instance.is_none() {
            let blueprint = &self.blueprint;
            let mut instance = Instance::new(&blueprint.pre, self.voice.clone(), blueprint.limits)
                .map_err(|b| b.in_step("its start"))?;
            instance.describe().map_err(|b| b.in_step("describe"))?;
            match instance.init(&blueprint.config).map_err(|b| b.in_step("init"))? {
                Ok(()) => {}
                Err(message) => return Err(GuestError::InitRefused { message: super::error::clip(&message, 1024) }),
            }
            for projection in &self.projections {
                on_schema(&mut instance, projection)?;
            }
            self.instance = Some(instance);
        }
        Ok(self.instance.as_mut().expect("it was just made"))
    }

    /// What is to be done with rows of this table and operation. Asked once per version of a table.
    fn plan(&mut self, source: &Arc<str>, schema: &Arc<Schema>, op: Op) -> Result<Plan, GuestError> {
        let key = (source.clone(), schema.id);
        let known = self.tables.get(&key).map_or(&Plan::Unasked, |plans| &plans[op as usize]);
        if !matches!(known, Plan::Unasked) {
            return Ok(known.clone());
        }
        let plan = match self.project(schema, op) {
            Ok(None) => Plan::Unwanted,
            Ok(Some(index)) => Plan::Ready(index),
            // A table that it could read before has changed: its rows go to the policy for bad rows. One that it never
            // could read is a mistake in the guest, and nothing of it may be judged.
            Err(error) if self.has_read(schema) => Plan::Refused(error.to_string().into()),
            Err(error) => return Err(error),
        };
        if self.tables.len() >= TABLES_MAX {
            self.tables.clear();
        }
        self.tables.entry(key).or_insert(UNASKED)[op as usize] = plan.clone();
        Ok(plan)
    }

    fn has_read(&self, schema: &Schema) -> bool {
        let same = |p: &Projection| p.schema.table == schema.table && p.schema.namespace == schema.namespace;
        self.projections.iter().any(|p| same(p) && p.schema.source == schema.source)
    }

    fn project(&mut self, schema: &Arc<Schema>, op: Op) -> Result<Option<usize>, GuestError> {
        let blueprint = self.blueprint.clone();
        let Some((line, subscription)) = blueprint.subscriptions.of(schema, op) else { return Ok(None) };
        let known = self.projections.iter().position(|p| p.is_of(schema, line));
        if known.is_some() {
            return Ok(known);
        }
        let id = self.projections.len() as u32;
        let projection = Projection::new(id, schema.clone(), (line, subscription))?;
        let told = on_schema(self.awake()?, &projection);
        if let Err(error) = told {
            // A trap in there poisons the instance; a refusal may have left it half told.
            self.recycle();
            return Err(error);
        }
        self.projections.push(projection);
        Ok(Some(id as usize))
    }

    /// Judges the rows in order.
    ///
    /// # Errors
    /// If not a single row can be judged rightly: the guest does not start, or a table is not what it asks for.
    pub(super) fn judge(&mut self, batch: &Batch, rows: &[OfferedRow]) -> Result<Outcome, Held> {
        self.plans_of(batch);
        let mut outcome =
            Outcome { judgements: vec![Judgement::Pass; rows.len()], called: 0, dropped: 0, rejected: 0, broken: 0 };
        let rows_max = if self.blueprint.description.stateful { 1 } else { CALL_ROWS_MAX };
        self.call.clear();
        self.encoder.clear();
        for (offered, row) in rows.iter().enumerate() {
            let head = &batch.frame.rows[row.row as usize];
            match self.plan_of(batch, SchemaId(head.schema), head.op)? {
                Plan::Ready(projection) => self.call.push(Place { offered, projection }),
                Plan::Refused(reason) => {
                    outcome.judgements[offered] = rejection("schema", &reason, None);
                    continue;
                }
                Plan::Unwanted | Plan::Unasked => continue,
            }
            self.encode(batch, rows, self.call.len() - 1);
            if self.call.len() >= rows_max || self.encoder.byte_len() >= CALL_BYTES_MAX {
                self.flush(batch, rows, &mut outcome)?;
            }
        }
        self.flush(batch, rows, &mut outcome)?;
        for judgement in &outcome.judgements {
            outcome.dropped += u64::from(matches!(judgement, Judgement::Drop));
            outcome.rejected += u64::from(matches!(judgement, Judgement::Reject(_)));
        }
        Ok(outcome)
    }

    /// Empties the short list when it is another source's, or long.
    fn plans_of(&mut self, batch: &Batch) {
        if !Arc::ptr_eq(&self.plans_source, &batch.source) || self.plans.len() > SHORT_LIST_MAX {
            self.plans.clear();
            self.plans_source = batch.source.clone();
        }
    }

    /// The plan, found on the short list; a hash per row would cost as much as the row.
    #[inline]
    fn plan_of(&mut self, batch: &Batch, id: SchemaId, op: Op) -> Result<Plan, Held> {
        match self.plans.iter().rev().find(|(known, _)| *known == id).map(|(_, plans)| &plans[op as usize]) {
            Some(Plan::Ready(index)) => return Ok(Plan::Ready(*index)),
            Some(Plan::Unasked) | None => {}
            Some(plan) => return Ok(plan.clone()),
        }
        let plan = self.plan(&batch.source, batch.schema(id), op).map_err(Held)?;
        if !self.plans.iter().any(|(known, _)| *known == id) {
            self.plans.push((id, UNASKED));
        }
        for (known, plans) in &mut self.plans {
            if *known == id {
                plans[op as usize] = plan.clone();
            }
        }
        Ok(plan)
    }

    #[inline]
    fn encode(&mut self, batch: &Batch, rows: &[OfferedRow], index: usize) {
        let place = self.call[index];
        self.encoder
            .push(batch, &rows[place.offered], &self.projections[place.projection])
            .expect("the decoder writes cells within their frame");
    }

    /// Calls the guest for the collected rows.
    fn flush(&mut self, batch: &Batch, rows: &[OfferedRow], outcome: &mut Outcome) -> Result<(), Held> {
        if self.call.is_empty() {
            return Ok(());
        }
        outcome.called += self.call.len() as u64;
        if let Err(broken) = self.transform(&mut outcome.judgements)? {
            if broken.ends_instance() {
                self.recycle();
            }
            match self.call[..] {
                [only] => self.blame(only, broken, outcome),
                _ => self.one_by_one(batch, rows, outcome)?,
            }
        }
        self.call.clear();
        self.encoder.clear();
        Ok(())
    }

    /// Runs the rows of a broken call again, each by itself, so that only the guilty ones are refused.
    fn one_by_one(&mut self, batch: &Batch, rows: &[OfferedRow], outcome: &mut Outcome) -> Result<(), Held> {
        for place in std::mem::take(&mut self.call) {
            self.call.clear();
            self.call.push(place);
            self.encoder.clear();
            self.encode(batch, rows, 0);
            if let Err(broken) = self.transform(&mut outcome.judgements)? {
                if broken.ends_instance() {
                    self.recycle();
                }
                self.blame(place, broken, outcome);
            }
        }
        Ok(())
    }

    fn blame(&self, place: Place, broken: Broken, outcome: &mut Outcome) {
        outcome.judgements[place.offered] = match broken {
            Broken::Instance(breakage) => {
                outcome.broken += 1;
                if let Some(audience) = &self.voice.audience {
                    count(&audience.stats.traps_total);
                }
                Judgement::Reject(Box::new(breakage.into_rejection()))
            }
            Broken::Refusal { code, message } => rejection(&code, &message, None),
        };
    }

    /// One call for what the encoder holds.
    #[inline]
    fn transform(&mut self, judgements: &mut [Judgement]) -> Result<Result<(), Broken>, Held> {
        let now = Instant::now();
        if self.instance.is_none() {
            self.awake().map_err(Held)?;
        }
        let instance = self.instance.as_mut().expect("it was just woken");
        let (call, projections) = (&self.call, &self.projections);
        let answer = match instance.transform(self.encoder.encoded(), call.len(), now) {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                let code = if failure.code.is_empty() { "failure".into() } else { failure.code };
                return Ok(Err(Broken::Refusal { code, message: failure.message }));
            }
            Err(breakage) => return Ok(Err(Broken::Instance(breakage))),
        };
        let decoded = decode(
            &answer,
            call.len(),
            &self.blueprint.routes,
            |row| &projections[call[row].projection],
            |row, judgement| judgements[call[row].offered] = judgement,
        );
        Ok(decoded.map_err(|error| Broken::Instance(Breakage::garbage(error))))
    }
}

/// Why a call gave no verdicts.
enum Broken {
    Instance(Breakage),
    /// The guest itself said that it can not judge these rows.
    Refusal {
        code: String,
        message: String,
    },
}

impl Broken {
    fn ends_instance(&self) -> bool {
        matches!(self, Broken::Instance(_))
    }
}

fn on_schema(instance: &mut Instance, projection: &Projection) -> Result<(), GuestError> {
    match instance.on_schema(&projection.announcement()).map_err(|b| b.in_step("on-schema"))? {
        Ok(()) => Ok(()),
        Err(message) => Err(GuestError::Schema {
            table: projection.schema.full_name(),
            message: super::error::clip(&message, 1024),
        }),
    }
}
