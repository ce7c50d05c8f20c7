//! One direction of one connection: reads, does what it is told to the bytes, passes them on.

use super::frame::{Assembler, Whole, with_frame};
use super::shared::{Connection, Kind, Shared};
use super::{Direction, Faults, Pick};
use std::io::{ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Numbers that follow from a seed (splitmix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to below `bound`, which is at least 1.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// The seed of a direction of a connection.
pub(super) fn seed_of(seed: u64, number: u64, direction: Direction) -> u64 {
    Chance::new(seed ^ (number << 1 | u64::from(direction == Direction::ToClient))).below(u64::MAX)
}

/// Passes bytes on until an end goes.
pub(super) fn run(shared: &Shared, connection: &Arc<Connection>, direction: Direction, seed: u64) {
    let mut pump = Pump { shared, connection, direction, chance: Chance::new(seed) };
    let mut assembler = Assembler::default();
    let mut buffer = vec![0; 16 << 10];
    let (mut from, _) = connection.ends(direction);
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if pump.take(&mut assembler, &buffer[..bytes]).is_break() {
            break;
        }
    }
    shared.change(|state| state.forget(connection));
}

struct Pump<'a> {
    shared: &'a Shared,
    connection: &'a Arc<Connection>,
    direction: Direction,
    chance: Chance,
}

impl Pump<'_> {
    fn faults(&self) -> Faults {
        self.shared.look(|state| state.faults_mut(self.direction).clone())
    }

    fn count(&self, kind: Kind) {
        self.shared.change(|state| state.injected.count(kind));
    }

    /// One piece, from its arrival to its departure.
    fn take(&mut self, assembler: &mut Assembler, piece: &[u8]) -> ControlFlow<()> {
        if self.faults().stall {
            self.count(Kind::Stalled);
            self.shared.wait(self.connection, None, |state| state.faults_mut(self.direction).stall);
        }
        let faults = self.faults();
        if !faults.delay_max.is_zero() {
            self.count(Kind::Delayed);
            let most = u64::try_from(faults.delay_max.as_micros()).unwrap_or(u64::MAX);
            let delay = Duration::from_micros(self.chance.below(most) + 1);
            self.shared.wait(self.connection, Some(delay), |_| true);
        }
        let mut out = Vec::new();
        for whole in assembler.put(piece) {
            match whole {
                Whole::Frame(frame) => self.frame(&faults, &frame, &mut out),
                Whole::Rest(rest) => out.extend(rest),
            }
        }
        // Only what may still be dropped or repeated as a whole waits for its end.
        if faults.drop.is_none() && faults.duplicate.is_none() {
            out.extend(assembler.take_part());
        }
        self.pass_on(&faults, &out)
    }

    fn frame(&mut self, faults: &Faults, frame: &[u8], out: &mut Vec<u8>) {
        if self.picks(faults.drop.as_ref(), frame) {
            self.count(Kind::Dropped);
            return;
        }
        out.extend_from_slice(frame);
        if self.picks(faults.duplicate.as_ref(), frame) {
            self.count(Kind::Duplicated);
            out.extend_from_slice(frame);
        }
    }

    fn picks(&mut self, pick: Option<&Pick>, frame: &[u8]) -> bool {
        pick.is_some_and(|pick| {
            with_frame(frame, |f| (pick.matches)(f)) && self.chance.below(pick.one_in) == 0
        })
    }

    fn pass_on(&self, faults: &Faults, bytes: &[u8]) -> ControlFlow<()> {
        let (bytes, cut) = self.until_cut(bytes);
        if faults.split && bytes.len() > 1 {
            self.count(Kind::Split);
        }
        // Twenty times a second is smooth enough.
        let slow = faults.bytes_per_s.map(|per_s| usize::try_from(per_s / 20).unwrap_or(usize::MAX));
        let size = if faults.split { 1 } else { slow.unwrap_or(bytes.len()) };
        for part in bytes.chunks(size.max(1)) {
            self.write(part)?;
            if let Some(per_s) = faults.bytes_per_s {
                self.count(Kind::Throttled);
                let takes = Duration::from_secs_f64(part.len() as f64 / per_s.max(1) as f64);
                self.shared.wait(self.connection, Some(takes), |_| true);
            }
        }
        match cut {
            Some(how) => {
                self.shared.change(|state| state.cut(self.connection, how));
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// The bytes before the cut that is due among them, if one is.
    fn until_cut<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], Option<super::Cut>) {
        self.shared.look(|state| match state.cut_after {
            Some((direction, after, how)) if direction == self.direction && !bytes.is_empty() => {
                let length = bytes.len() as u64;
                if after < length {
                    state.cut_after = None;
                    (&bytes[..usize::try_from(after).unwrap_or(bytes.len())], Some(how))
                } else {
                    state.cut_after = Some((direction, after - length, how));
                    (bytes, None)
                }
            }
            Some(_) | None => (bytes, None),
        })
    }

    fn write(&self, mut bytes: &[u8]) -> ControlFlow<()> {
        let (_, mut to) = self.connection.ends(self.direction);
        while !bytes.is_empty() {
            match to.write(bytes) {
                Ok(0) => return ControlFlow::Break(()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if self.connection.is_over() {
                        return ControlFlow::Break(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }
}
