//! `sluicegate dead`: what a person on call does with dead letters.

mod arguments;
mod page;
mod replay;
mod way;

use super::{Exit, block_on, load};
use crate::admin::dead::{Choice, Cleared, Dropped, LaneAsked, Letter, Page, PageAsked, RemovedLane};
use crate::cli::out::{errln, outln};
pub(super) use arguments::Dead;
use arguments::{Form, Meant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use way::{Refusal, Way};

pub(super) fn dead(verb: Dead) -> Exit {
    let place = match &verb {
        Dead::List { place, .. }
        | Dead::Show { place, .. }
        | Dead::Replay { place, .. }
        | Dead::Drop { place, .. }
        | Dead::Lanes { place, .. }
        | Dead::Take { place, .. } => place.clone(),
    };
    let plan = match load(&place.dir) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let done = block_on(async {
        let way = Way::find(&plan, &place.dir).await?;
        match verb {
            Dead::List { filter, form, .. } => {
                let asked = filter.narrow();
                let listed = list(&way, &asked, form).await;
                super::unknown_pipeline(&plan, asked.pipeline.as_deref());
                listed
            }
            Dead::Show { id, form, .. } => show(&way, id, form).await,
            Dead::Replay { meant, rate, superseded, form, .. } => {
                replay::replay(&way, replay::asked(meant, rate, superseded)?, form).await
            }
            Dead::Drop { meant, form, .. } => drop_meant(&way, meant, form).await,
            Dead::Lanes { form, .. } => lanes(&way, form).await,
            Dead::Take { lane, drop, form, .. } => take(&way, lane, drop, form).await,
        }
    });
    match done {
        Ok(exit) => exit,
        Err(Refusal { exit, reason }) => {
            errln!("{}", reason.trim_end());
            exit
        }
    }
}

fn to_json<T: Serialize>(of: &T) -> Result<String, Refusal> {
    serde_json::to_string(of).map_err(Refusal::failed)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|e| {
        Refusal::failed(format!("the answer can not be understood: {e}; is it another program or version?"))
    })
}

async fn list(way: &Way, asked: &PageAsked, form: Form) -> Result<Exit, Refusal> {
    let text = way.list(asked).await?;
    if form.json {
        outln!("{text}");
        return Ok(Exit::Done);
    }
    let page: Page = from_json(&text)?;
    outln!("{}", page::table(&page, page::now_us()));
    Ok(Exit::Done)
}

async fn show(way: &Way, id: i64, form: Form) -> Result<Exit, Refusal> {
    let text = way.show(id).await?;
    if form.json {
        outln!("{text}");
        return Ok(Exit::Done);
    }
    let letter: Letter = from_json(&text)?;
    outln!("{}", page::whole(&letter, page::now_us()));
    Ok(Exit::Done)
}

/// What is meant, or what is missing to know it.
fn choice(meant: Meant) -> Result<Choice, Refusal> {
    let choice = Choice { ids: meant.ids, all: meant.all, filter: meant.filter.narrow() };
    match choice.check() {
        Ok(()) => Ok(choice),
        Err(_) if choice.ids.is_empty() && !choice.all => Err(Refusal::usage(
            "say which: the numbers from `sluicegate dead list`, or --all, with filters if not all are meant",
        )),
        Err(reason) => Err(Refusal::usage(reason)),
    }
}

async fn drop_meant(way: &Way, meant: Meant, form: Form) -> Result<Exit, Refusal> {
    let text = way.drop(&choice(meant)?).await?;
    let Dropped { dropped, unknown, left } = from_json(&text)?;
    if form.json {
        outln!("{text}");
    } else {
        outln!("{dropped} dropped");
        unknown.iter().for_each(|id| outln!("{id}: there is no such dead letter"));
        if left > 0 {
            outln!("{left} more are meant; run it again");
        }
    }
    Ok(if unknown.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn lanes(way: &Way, form: Form) -> Result<Exit, Refusal> {
    let text = way.lanes().await?;
    if form.json {
        outln!("{text}");
        return Ok(Exit::Done);
    }
    let lanes: Vec<RemovedLane> = from_json(&text)?;
    outln!("{}", page::lanes(&lanes));
    Ok(Exit::Done)
}

/// `parcels/customers/2`, as `lanes` writes it.
fn lane_of(text: &str) -> Result<LaneAsked, Refusal> {
    let mut parts = text.splitn(3, '/').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(pipeline), Some(target), member) if !pipeline.is_empty() && !target.is_empty() => {
            Ok(LaneAsked { pipeline, target, member: member.unwrap_or_default() })
        }
        _ => Err(Refusal::usage(format!(
            "{text:?} is no lane: write PIPELINE/TARGET/MEMBER as `sluicegate dead lanes` does, parcels/customers/2"
        ))),
    }
}

async fn take(way: &Way, lane: String, drop: bool, form: Form) -> Result<Exit, Refusal> {
    let text = way.clear(&lane_of(&lane)?, drop).await?;
    let Cleared { messages } = from_json(&text)?;
    if form.json {
        outln!("{text}");
    } else if drop {
        outln!("{messages} messages of {lane} dropped");
    } else {
        outln!("{messages} messages of {lane} are dead letters now");
    }
    Ok(Exit::Done)
}
