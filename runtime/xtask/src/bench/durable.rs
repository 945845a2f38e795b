//! How fast a customer gets what was kept for it: signed messages of 1 KiB are parked while it is away, and drained when it is
//! back. Beside it the same messages when the customer is there and the disk is not touched. The customer, PostgreSQL and the writer
//! share the machine with us.

use super::receiver::{Mood, Receiver};
use super::rig::Rig;
use super::{Bench, Figure};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

const MESSAGES: u64 = 100_000;
const PAYLOAD_LEN: usize = 960;
/// Durable deliveries per second.
const GOAL: f64 = 10_000.0;
const LIMIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let receiver = Receiver::open(Mood::Well)?;
    // One MiB is delivered within `hold`, so that a lane that is behind goes on flowing, and the source waits.
    let pipeline = format!(
        "[target.customer]\nkind = \"http\"\nurl = \"{}\"\ntimeout = \"10s\"\nretry = {{ first = \"100ms\", max = \"1s\" }}\n\
         concurrency = 64\nmemory = \"1 MiB\"\nsign = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\nallow = [\"127.0.0.1\"]\n\n\
         [[route]]\nname = \"all\"\nto = \"customer\"\nkey = \"{{id}}\"\n",
        receiver.url()
    );
    let mut rig = Rig::start(bench, &pipeline).await?;
    let used_before_s = rig.host.processor_s();
    rig.write_many(MESSAGES, PAYLOAD_LEN).await?;
    let flowing = arrive(&mut rig, &receiver, "flowing", used_before_s).await?;
    let on_disk = rig.host.door().status().await?.lanes.iter().map(|lane| lane.parked_total).sum::<u64>();
    eprintln!("  {on_disk} of the messages that flowed went to disk");
    receiver.set_mood(Mood::Away);
    let parked = park(&mut rig).await?;
    eprintln!("  {} MB of state for {MESSAGES} messages", rig.state_bytes() / 1_000_000);
    let used_before_s = rig.host.processor_s();
    receiver.set_mood(Mood::Well);
    let drained = arrive(&mut rig, &receiver, "drained", used_before_s).await?;
    rig.stop().await;
    Ok(vec![
        Figure::at_least("durable", "parked messages drained, 1 KiB, signed", "messages/s", drained, GOAL)
            .beside("flowing", flowing),
        Figure::shown("durable", "messages parked, customer away", "messages/s", parked),
        Figure::shown("durable", "flowing, 1 KiB, signed", "messages/s", flowing),
    ])
}

/// Waits until as many have arrived; how many a second, from the first to the last. The process had used `used_before_s` of the
/// processor when it began.
async fn arrive(rig: &mut Rig, receiver: &Receiver, how: &str, used_before_s: Option<f64>) -> Result<f64> {
    let deadline = Instant::now() + LIMIT;
    while receiver.distinct() < MESSAGES {
        rig.host.check_alive()?;
        let (arrived, said) = (receiver.distinct(), rig.host.last_log_lines());
        ensure!(Instant::now() < deadline, "{arrived} of {MESSAGES} messages arrived:\n{said}");
        tokio::time::sleep(LOOK).await;
    }
    let used_us =
        (rig.host.processor_s().unwrap_or_default() - used_before_s.unwrap_or_default()) * 1e6 / MESSAGES as f64;
    let seen = receiver.take();
    ensure!(seen.strange == 0, "{} requests could not be read", seen.strange);
    ensure!(seen.signed == seen.distinct + seen.doubled, "only {} of {} were signed", seen.signed, seen.distinct);
    let rate = seen.rate().context("all messages came in one moment")?;
    eprintln!("  {how}: {rate:.0}/s, {used_us:.1} us of our processor time per message, {} doubled", seen.doubled);
    Ok(rate)
}

/// Writes what the customer is too far away to take, and waits until all of it is on disk; how many a second.
async fn park(rig: &mut Rig) -> Result<f64> {
    let begun = Instant::now();
    rig.write_many(MESSAGES, PAYLOAD_LEN).await?;
    loop {
        let lanes = rig.host.door().status().await?.lanes;
        if lanes.iter().map(|lane| lane.parked).sum::<u64>() >= MESSAGES {
            return Ok(MESSAGES as f64 / begun.elapsed().as_secs_f64());
        }
        ensure!(begun.elapsed() < LIMIT, "not all was parked: {lanes:?}\n{}", rig.host.last_log_lines());
        tokio::time::sleep(LOOK).await;
    }
}
