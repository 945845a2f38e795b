//! Dates and times. What is no date of a calendar (`0000-00-00`, `2024-00-10`, `2024-02-31`) keeps MySQL's text.
//!
//! Since 5.6 a DATETIME is a number, most significant byte first, so that bytes sort as times do; behind it stand zero to
//! three bytes for the fraction. <https://dev.mysql.com/doc/dev/mysql-server/latest/my__time_8cc.html>

use super::super::bytes::{Cut, big_endian, little_endian};
use super::number::signed;
use crate::change::{Cell, FrameBuf};
use sluicegate_frame::UNIX_EPOCH_TO_2000_US;
use std::fmt::{self, Write};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;

/// Bytes of a fraction of so many digits.
pub(in super::super) fn fraction_len(digits: u8) -> u16 {
    u16::from(digits.div_ceil(2))
}

/// A fraction's bytes in microseconds.
#[inline]
fn fraction_us(bytes: &[u8]) -> Result<i64, Cut> {
    let n = big_endian(bytes) as i64;
    let micros = match bytes.len() {
        0 => 0,
        1 => n * 10_000,
        2 => n * 100,
        3 => n,
        _ => return Err(Cut),
    };
    if micros < SECOND_US { Ok(micros) } else { Err(Cut) }
}

#[derive(Clone, Copy)]
pub(super) struct Day {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
}

impl Day {
    /// Days since 2000-01-01, if the calendar has the day. The year 0 is the one before 1, a leap year.
    #[inline]
    fn number(self) -> Option<i64> {
        let Self { year, month, day } = self;
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let last = match month {
            2 => 28 + u32::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => return None,
        };
        if day == 0 || day > last {
            return None;
        }
        // Counted from March, so that the leap day is a year's last; from the year -400, so that nothing is negative.
        let years = i64::from(year) + 400 - i64::from(month <= 2);
        let months = i64::from((month + 9) % 12);
        let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + i64::from(day) - 1;
        // 2000-03-01, counted in the same way, is 60 days behind 2000-01-01.
        Some(days - (2400 * 365 + 600 - 24 + 6) + 60)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) micros: i64,
}

impl Clock {
    const MIDNIGHT: Clock = Clock { hour: 0, minute: 0, second: 0, micros: 0 };

    #[inline]
    fn number(self) -> Option<i64> {
        let Self { hour, minute, second, micros } = self;
        let whole = i64::from(hour) * HOUR_US + i64::from(minute) * MINUTE_US + i64::from(second) * SECOND_US;
        (minute < 60 && second < 60).then_some(whole + micros)
    }

    /// `13:14:15.6789` with as many digits as the column has.
    pub(super) fn print(self, out: &mut impl Write, digits: u8) -> fmt::Result {
        write!(out, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        let digits = usize::from(digits.min(6));
        if digits == 0 {
            return Ok(());
        }
        write!(out, ".{:0digits$}", self.micros / 10i64.pow(6 - digits as u32))
    }
}

#[inline]
pub(super) fn date(frame: &mut FrameBuf, bytes: &[u8]) -> Result<(), Cut> {
    let &[a, b, c] = bytes else { return Err(Cut) };
    let n = u32::from_le_bytes([a, b, c, 0]);
    let day = Day { year: n >> 9, month: n >> 5 & 15, day: n & 31 };
    match day.number() {
        Some(number) => frame.push(Cell::Date(number)),
        None => frame.push(Cell::Other(&day.to_string())),
    }
    Ok(())
}

/// The parts of a packed DATETIME without its fraction: the year times 13 and the month, then 5, 5, 6 and 6 bits.
#[inline]
pub(super) fn unpack(packed: u64, micros: i64) -> (Day, Clock) {
    let bits = |shift: u32, len: u32| (packed >> shift & ((1 << len) - 1)) as u32;
    let months = bits(22, 17);
    let day = Day { year: months / 13, month: months % 13, day: bits(17, 5) };
    (day, Clock { hour: bits(12, 5), minute: bits(6, 6), second: bits(0, 6), micros })
}

#[inline]
pub(super) fn datetime(frame: &mut FrameBuf, digits: u8, bytes: &[u8]) -> Result<(), Cut> {
    let (whole, fraction) = bytes.split_at_checked(5).ok_or(Cut)?;
    let packed = big_endian(whole).checked_sub(0x80_0000_0000).ok_or(Cut)?;
    let (day, clock) = unpack(packed, fraction_us(fraction)?);
    push_datetime(frame, day, clock, digits);
    Ok(())
}

#[inline]
fn push_datetime(frame: &mut FrameBuf, day: Day, clock: Clock, digits: u8) {
    match (day.number(), clock.number()) {
        (Some(days), Some(micros)) if micros < DAY_US => frame.push(Cell::Timestamp(days * DAY_US + micros)),
        _ => {
            let mut text = format!("{day} ");
            clock.print(&mut text, digits).expect("a string takes any text");
            frame.push(Cell::Other(&text));
        }
    }
}

/// Seconds since the Unix epoch, most significant byte first; no seconds and no fraction are `0000-00-00 00:00:00`.
#[inline]
pub(super) fn timestamp(frame: &mut FrameBuf, digits: u8, bytes: &[u8]) -> Result<(), Cut> {
    let (whole, fraction) = bytes.split_at_checked(4).ok_or(Cut)?;
    push_timestamp(frame, big_endian(whole), fraction_us(fraction)?, digits);
    Ok(())
}

#[inline]
fn push_timestamp(frame: &mut FrameBuf, seconds: u64, micros: i64, digits: u8) {
    if seconds == 0 && micros == 0 {
        return push_datetime(frame, Day { year: 0, month: 0, day: 0 }, Clock::MIDNIGHT, digits);
    }
    frame.push(Cell::TimestampTz(seconds as i64 * SECOND_US + micros - UNIX_EPOCH_TO_2000_US));
}

/// A signed number of 10 bits of hours and 6 each of minutes and seconds; the fraction belongs to the number, so that it
/// counts upwards from the second below if the time is negative.
#[inline]
pub(super) fn time(frame: &mut FrameBuf, bytes: &[u8]) -> Result<(), Cut> {
    let fraction_len = bytes.len().checked_sub(3).filter(|len| *len <= 3).ok_or(Cut)?;
    let bits = 8 * fraction_len as u32;
    let n = big_endian(bytes) as i64 - (0x80_0000 << bits);
    let (is_negative, n) = (n < 0, n.unsigned_abs());
    let packed = n >> bits;
    let fraction = (n & ((1 << bits) - 1)).to_be_bytes();
    let micros = fraction_us(&fraction[8 - fraction_len..])?;
    frame.push(Cell::Time(signed_time(packed, micros, is_negative)?));
    Ok(())
}

/// Hours, minutes and seconds of 10, 6 and 6 bits as microseconds.
fn signed_time(packed: u64, micros: i64, is_negative: bool) -> Result<i64, Cut> {
    let clock = Clock {
        hour: (packed >> 12 & 0x3ff) as u32,
        minute: (packed >> 6 & 0x3f) as u32,
        second: (packed & 0x3f) as u32,
        micros,
    };
    let micros = clock.number().ok_or(Cut)?;
    Ok(if is_negative { -micros } else { micros })
}

/// Before 5.6: hours, minutes and seconds as decimal digits of a signed number.
pub(super) fn old_time(frame: &mut FrameBuf, bytes: &[u8]) -> Result<(), Cut> {
    if bytes.len() != 3 {
        return Err(Cut);
    }
    let n = signed(bytes);
    let (hour, minute, second) = (n.abs() / 10_000, n.abs() / 100 % 100, n.abs() % 100);
    if minute > 59 || second > 59 {
        return Err(Cut);
    }
    let micros = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US;
    frame.push(Cell::Time(if n < 0 { -micros } else { micros }));
    Ok(())
}

/// Before 5.6: `20260301131415` as a number.
pub(super) fn old_datetime(frame: &mut FrameBuf, bytes: &[u8]) -> Result<(), Cut> {
    if bytes.len() != 8 {
        return Err(Cut);
    }
    let n = little_endian(bytes);
    let part = |divisor: u64, modulus: u64| (n / divisor % modulus) as u32;
    let day = Day { year: part(10_000_000_000, 10_000), month: part(100_000_000, 100), day: part(1_000_000, 100) };
    let clock = Clock { hour: part(10_000, 100), minute: part(100, 100), second: part(1, 100), micros: 0 };
    push_datetime(frame, day, clock, 0);
    Ok(())
}

pub(super) fn old_timestamp(frame: &mut FrameBuf, bytes: &[u8]) -> Result<(), Cut> {
    if bytes.len() != 4 {
        return Err(Cut);
    }
    push_timestamp(frame, little_endian(bytes), 0, 0);
    Ok(())
}
