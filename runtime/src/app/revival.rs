//! The way of dead letters back into the house: a message to the end of its lane, a row through its pipeline as it stands now.

use super::members::Reachable;
use crate::admin::dead::Sent;
use crate::change::{Batch, Message};
use crate::ledger::{Ledger, Ticket};
use crate::pipeline;
use crate::store::{Buried, DeadId, DeadLetter, LaneName, Revive, Revived, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Until a row that goes again must be delivered, on disk, or dead again.
const ROW_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

type Inboxes = HashMap<String, mpsc::Sender<(Arc<Batch>, Ticket)>>;

/// Sends dead letters again while a house runs.
pub struct Revival {
    store: Arc<dyn Store>,
    /// `None` while the house starts and closes.
    house: Mutex<Option<House>>,
}

#[derive(Clone)]
struct House {
    lanes: Reachable,
    /// By pipeline.
    inboxes: Arc<Inboxes>,
}

impl Revival {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, house: Mutex::default() }
    }

    pub fn open(&self, lanes: Reachable, inboxes: Inboxes) {
        *self.house() = Some(House { lanes, inboxes: Arc::new(inboxes) });
    }

    pub fn close(&self) {
        *self.house() = None;
    }

    fn house(&self) -> MutexGuard<'_, Option<House>> {
        self.house.lock().expect("no panic while the house opens and closes")
    }

    /// Sends a dead letter again. A message stands in its lane's line when this returns; a row's messages do, or it is dead again.
    ///
    /// # Errors
    /// If there is no such letter, or nobody to send it to, in a sentence with the remedy.
    pub async fn send(&self, revive: Revive) -> Result<Sent, String> {
        let id = revive.id;
        let letter = self.store.dead_letter(id).await.map_err(|e| e.to_string())?;
        let letter = letter.ok_or_else(|| format!("there is no dead letter {}", id.0))?;
        let house = self.house().clone().ok_or("the house is starting or closing; try again in a moment")?;
        match &letter.buried {
            Buried::Message(buried) => message(&house, &letter, buried, revive).await,
            Buried::Row(row) => {
                self.row(&house, &letter, pipeline::revived(row)?, id).await?;
                Ok(Sent::InLine)
            }
        }
    }

    async fn row(&self, house: &House, letter: &DeadLetter, batch: Batch, id: DeadId) -> Result<(), String> {
        let name = &*letter.pipeline;
        let inbox = house.inboxes.get(name).ok_or_else(|| format!("there is no pipeline {name} any more"))?;
        let ledger = Ledger::new();
        let ticket = ledger.open(None, 1);
        inbox.send((Arc::new(batch), ticket)).await.map_err(|_| "the house is closing; try again".to_owned())?;
        let until = Instant::now() + ROW_MAX;
        while ledger.unpaid() > 0 {
            if Instant::now() >= until {
                return Err(format!(
                    "pipeline {name} has not dealt with the row within {ROW_MAX:?}; the letter stays, and the row may go twice"
                ));
            }
            sleep(LOOK_EVERY).await;
        }
        // One that died again has a new number.
        self.store.drop_dead(vec![id]).await.map_err(|e| e.to_string())?;
        Ok(())
    }
}

async fn message(house: &House, letter: &DeadLetter, buried: &Message, revive: Revive) -> Result<Sent, String> {
    let DeadLetter { pipeline, target, member, .. } = letter;
    let name = LaneName { pipeline: pipeline.clone(), target: target.clone(), member: member.clone() };
    let Some(lane) = house.lanes.lane(&name) else {
        let whose =
            if member.is_empty() { format!("target {target}") } else { format!("member {member} of target {target}") };
        return Err(format!(
            "{whose} is not in the configuration of pipeline {pipeline}; put it back, or drop the letter"
        ));
    };
    match lane.revive(revive, buried.clone()).await? {
        Revived::Waits { .. } => Ok(Sent::InLine),
        Revived::Superseded => Ok(Sent::Superseded),
        Revived::Gone => Err(format!("dead letter {} was sent again or dropped meanwhile", revive.id.0)),
    }
}
