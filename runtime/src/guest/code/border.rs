//! What crossing the border costs without the guest's own work, and what crosses: for `sluicegate bench`.

use super::{Broken, Code, Held, OfferedRow, Place, Plan};
use crate::change::{Batch, SchemaId};
use crate::guest::limits::{CALL_BYTES_MAX, CALL_ROWS_MAX};
use crate::guest::verdicts::decode;
use crate::guest::{GuestError, Judgement};
use std::time::Instant;

/// One call as it crossed.
pub(in crate::guest) struct Sample {
    pub(in crate::guest) frame_bytes: usize,
    pub(in crate::guest) answer: Vec<u8>,
}

impl Code {
    /// Linear memory of the running instance.
    pub(in crate::guest) fn memory_bytes(&self) -> usize {
        self.instance.as_ref().map_or(0, |instance| instance.memory_bytes())
    }

    /// Runs the rows once and keeps what crossed, call by call.
    ///
    /// # Errors
    /// If a call gives no verdicts.
    pub(in crate::guest) fn samples(&mut self, batch: &Batch, rows: &[OfferedRow]) -> Result<Vec<Sample>, GuestError> {
        let mut samples = Vec::new();
        let mut next = 0;
        while next < rows.len() {
            next = self.collect(batch, rows, next).map_err(|held| held.0)?;
            if self.call.is_empty() {
                continue;
            }
            let frame = self.encoder.encoded().to_vec();
            let rows = self.call.len();
            let answer = self.awake()?.transform(&frame, rows, Instant::now());
            let refused = |code, reason| GuestError::Start { step: "the bench", code, reason };
            match answer.map_err(Broken::Instance) {
                Ok(Ok(answer)) => samples.push(Sample { frame_bytes: frame.len(), answer }),
                Ok(Err(failure)) => return Err(refused("failure", failure.message)),
                Err(Broken::Instance(breakage)) => return Err(breakage.in_step("the bench")),
                Err(Broken::Refusal { message, .. }) => return Err(refused("failure", message)),
            }
        }
        Ok(samples)
    }

    /// Everything about the calls that `samples` came from but the guest's work: encodes the rows, calls it with a frame that has
    /// none, and reads the verdicts of then.
    pub(in crate::guest) fn cross(
        &mut self,
        batch: &Batch,
        rows: &[OfferedRow],
        samples: &[Sample],
        judgements: &mut [Judgement],
    ) -> Result<(), GuestError> {
        let mut next = 0;
        for sample in samples {
            next = self.collect(batch, rows, next).map_err(|held| held.0)?;
            let frame = self.encoder.encoded().to_vec();
            std::hint::black_box(self.awake()?.told(&frame));
            self.encoder.clear();
            let empty = self.encoder.encoded().to_vec();
            let answer = self.awake()?.transform(&empty, 1, Instant::now());
            answer.map_err(|breakage| breakage.in_step("a call without rows"))?.ok();
            let (call, projections) = (&self.call, &self.projections);
            let read = decode(
                &sample.answer,
                call.len(),
                &self.blueprint.routes,
                |row| &projections[call[row].projection],
                |row, judgement| judgements[call[row].offered] = judgement,
            );
            read.map_err(|e| GuestError::Start { step: "the bench", code: "garbage", reason: e.to_string() })?;
        }
        Ok(())
    }

    /// Collects the rows of the next call, and says where the one after it begins.
    fn collect(&mut self, batch: &Batch, rows: &[OfferedRow], from: usize) -> Result<usize, Held> {
        self.plans_of(batch);
        self.call.clear();
        self.encoder.clear();
        let rows_max = if self.blueprint.description.stateful { 1 } else { CALL_ROWS_MAX };
        for (offered, row) in rows.iter().enumerate().skip(from) {
            let head = &batch.frame.rows[row.row as usize];
            if let Plan::Ready(projection) = self.plan_of(batch, SchemaId(head.schema), head.op)? {
                self.call.push(Place { offered, projection });
                self.encode(batch, rows, self.call.len() - 1);
            }
            if self.call.len() >= rows_max || self.encoder.byte_len() >= CALL_BYTES_MAX {
                return Ok(offered + 1);
            }
        }
        Ok(rows.len())
    }
}
