//! A calibration as bytes that travel with requests: versioned, bound to a model, checked.
//!
//! Layout, little endian: `CAL3`, the model's fingerprint (u64), then the fields in the order of [`put`], floats as f32,
//! and a CRC-32 of all before it. About 15 KB for six horizons and sixteen targets.

use std::collections::VecDeque;

use super::{
    gate::{Points, Record},
    peak_mix::{PeakForecasts, PeakMix},
    state::Calibration,
    targets::Targets,
    track::{Pending, Track},
};
use crate::{artifact::manifest::Output, local::LocalModel};

const MAGIC: &[u8; 4] = b"CAL3";
/// Forecasts that may wait for one horizon.
const MOST_PENDING: usize = 16;

/// Why bytes are no calibration for this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the calibration state is damaged, or of another version of the service")]
    Damaged,
    #[error("the calibration state is of another model")]
    OtherModel,
}

/// The bytes of `calibration`.
pub fn encode(calibration: &Calibration, fingerprint: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 * 1024);
    bytes.extend(MAGIC);
    bytes.extend(fingerprint.to_le_bytes());
    put(&mut bytes, calibration);
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

/// The calibration in `bytes`, for a model of that fingerprint with so many horizons and these targets.
///
/// # Errors
/// When it is none, or not for that model.
pub fn decode(
    bytes: &[u8],
    fingerprint: u64,
    horizons: usize,
    targets: &Targets,
) -> Result<Calibration, Unusable> {
    let content = bytes.strip_prefix(MAGIC).ok_or(Unusable::Damaged)?;
    let split = content.len().checked_sub(4).ok_or(Unusable::Damaged)?;
    let (content, check) = content.split_at(split);
    if check != checksum(&bytes[..bytes.len() - 4]).to_le_bytes() {
        return Err(Unusable::Damaged);
    }
    let mut reader = Reader(content);
    if reader.u64().ok_or(Unusable::Damaged)? != fingerprint {
        return Err(Unusable::OtherModel);
    }
    let calibration = take(&mut reader, horizons, targets).ok_or(Unusable::Damaged)?;
    match reader.0.is_empty() {
        true => Ok(calibration),
        false => Err(Unusable::Damaged),
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn put(bytes: &mut Vec<u8>, calibration: &Calibration) {
    bytes.extend(calibration.step_seconds.to_le_bytes());
    bytes.extend(calibration.last_seconds.to_le_bytes());
    for track in &calibration.tracks {
        put_track(bytes, track);
    }
}

fn put_track(bytes: &mut Vec<u8>, track: &Track) {
    let local = &track.local;
    put_floats(bytes, &local.gram);
    put_floats(bytes, local.moments.as_flattened());
    put_floats(bytes, &[local.units]);
    for pair in [local.usual, local.error, local.moved] {
        put_floats(bytes, &pair);
    }
    bytes.extend(track.local_next_seconds.to_le_bytes());
    put_floats(bytes, &track.offsets);
    put_floats(bytes, &track.spreads);
    let record = &track.record;
    put_floats(bytes, &[record.outcomes, record.served_error]);
    put_floats(bytes, &record.errors);
    put_floats(bytes, &record.covered);
    put_floats(bytes, track.peak_mix.losses.as_flattened());
    bytes.extend(track.settled_seconds.unwrap_or(i64::MIN).to_le_bytes());
    let skipped = track.pending.len().saturating_sub(MOST_PENDING);
    bytes.push((track.pending.len() - skipped) as u8);
    for pending in track.pending.iter().skip(skipped) {
        bytes.extend(pending.origin_seconds.to_le_bytes());
        put_floats(bytes, &[pending.points.model, pending.scale]);
        put_floats(bytes, &pending.values);
        put_floats(bytes, &[pending.points.own]);
        put_floats(bytes, &pending.points.naive);
        put_floats(bytes, &pending.peaks.model);
        put_floats(bytes, &pending.peaks.hold);
    }
}

fn put_floats(bytes: &mut Vec<u8>, values: &[f64]) {
    for value in values {
        bytes.extend((*value as f32).to_le_bytes());
    }
}

fn take(reader: &mut Reader<'_>, horizons: usize, targets: &Targets) -> Option<Calibration> {
    let step_seconds = reader.u32()?;
    let last_seconds = reader.i64()?;
    let tracks = (0..horizons)
        .map(|_| take_track(reader, targets))
        .collect::<Option<_>>()?;
    Some(Calibration {
        step_seconds,
        last_seconds,
        tracks,
    })
}

fn take_track(reader: &mut Reader<'_>, targets: &Targets) -> Option<Track> {
    let local = LocalModel {
        gram: reader.finite()?,
        moments: [reader.finite()?, reader.finite()?],
        units: reader.finite::<1>()?[0],
        usual: reader.finite()?,
        error: reader.finite()?,
        moved: reader.finite()?,
    };
    let local_next_seconds = reader.i64()?;
    let offsets = reader.finite_list(targets.len())?;
    let spreads = reader.finite_list(targets.len())?;
    let [outcomes, served_error] = reader.finite()?;
    let record = Record {
        outcomes,
        served_error,
        errors: reader.finite()?,
        covered: reader.finite()?,
    };
    let losses = (0..targets.of(Output::Peak).len())
        .map(|_| reader.finite())
        .collect::<Option<_>>()?;
    let settled_seconds = Some(reader.i64()?).filter(|time| *time != i64::MIN);
    let count = usize::from(reader.u8()?);
    if count > MOST_PENDING {
        return None;
    }
    let pending = (0..count)
        .map(|_| take_pending(reader, targets))
        .collect::<Option<VecDeque<_>>>()?;
    Some(Track {
        local,
        local_next_seconds,
        offsets,
        spreads,
        record,
        peak_mix: PeakMix { losses },
        settled_seconds,
        pending,
    })
}

fn take_pending(reader: &mut Reader<'_>, targets: &Targets) -> Option<Pending> {
    let origin_seconds = reader.i64()?;
    let [model, scale] = reader.finite()?;
    let values = reader.finite_list(targets.len())?;
    // NaN where impossible.
    let own = reader.float()?;
    let mut naive = [0.0; 4];
    for value in &mut naive {
        *value = reader.float()?;
    }
    let peaks = targets.of(Output::Peak).len();
    let sides = PeakForecasts {
        model: reader.finite_list(peaks)?,
        hold: (0..peaks).map(|_| reader.float()).collect::<Option<_>>()?,
    };
    (scale > 0.0).then_some(Pending {
        origin_seconds,
        points: Points { model, own, naive },
        peaks: sides,
        scale,
        values,
    })
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        Some(self.bytes::<1>()?[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.bytes()?))
    }

    fn float(&mut self) -> Option<f64> {
        Some(f64::from(f32::from_le_bytes(self.bytes()?)))
    }

    fn finite<const N: usize>(&mut self) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for value in &mut values {
            *value = self.float().filter(|value| value.is_finite())?;
        }
        Some(values)
    }

    fn finite_list(&mut self, count: usize) -> Option<Vec<f64>> {
        (0..count)
            .map(|_| self.float().filter(|value| value.is_finite()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::calibration::Target;

    /// `count` levels and as many peaks.
    fn targets(count: u8) -> Targets {
        let of = |output| {
            (1..=count).map(move |index| Target {
                output,
                quantile: f64::from(index) / 20.0,
            })
        };
        Targets::new(of(Output::Level).chain(of(Output::Peak)).collect())
    }

    fn calibration() -> Calibration {
        let mut track = Track::new(&targets(1));
        track.offsets = vec![0.5, -0.25];
        track.local.units = 3.5;
        track.local_next_seconds = 77;
        track.record.errors[1] = 2.5;
        track.settled_seconds = Some(600);
        track.pending.push_back(Pending {
            origin_seconds: 900,
            points: Points {
                model: 1.5,
                own: 2.5,
                naive: [0.5, 1.0, 2.0, 4.0],
            },
            peaks: PeakForecasts {
                model: vec![3.0],
                hold: vec![3.5],
            },
            scale: 0.5,
            values: vec![1.0, 2.0],
        });
        track.peak_mix.losses[0] = [0.25, 0.5];
        Calibration {
            step_seconds: 300,
            last_seconds: 1_700_000_000,
            tracks: vec![track, Track::new(&targets(1))],
        }
    }

    #[test]
    fn it_reads_back_and_knows_its_model() {
        let wanted = calibration();
        // FIRST_SPREAD is no round number in f32.
        let bytes = encode(&wanted, 7);
        let got = decode(&bytes, 7, 2, &targets(1)).unwrap();
        assert_eq!(encode(&got, 7), bytes);
        assert_eq!(got.tracks[0].pending, wanted.tracks[0].pending);
        assert_eq!(got.tracks[0].offsets, wanted.tracks[0].offsets);
        assert_eq!(got.tracks[0].peak_mix, wanted.tracks[0].peak_mix);
        assert_eq!(got.last_seconds, wanted.last_seconds);
        for (result, expected) in [
            (decode(&bytes, 8, 2, &targets(1)), Unusable::OtherModel),
            (decode(&bytes, 7, 3, &targets(1)), Unusable::Damaged),
            (decode(&bytes, 7, 2, &targets(2)), Unusable::Damaged),
            (decode(&bytes[..90], 7, 2, &targets(1)), Unusable::Damaged),
            (decode(b"", 7, 2, &targets(1)), Unusable::Damaged),
        ] {
            assert_eq!(result, Err(expected));
        }
    }

    #[test]
    fn it_is_small() {
        let mut tracks = vec![Track::new(&targets(8)); 4];
        for track in &mut tracks {
            let pending = Pending {
                origin_seconds: 0,
                points: Points::default(),
                peaks: PeakForecasts {
                    model: vec![1.0; 8],
                    hold: vec![1.0; 8],
                },
                scale: 1.0,
                values: vec![1.0; 16],
            };
            track.pending = std::iter::repeat_n(pending, 5).collect();
        }
        let calibration = Calibration {
            step_seconds: 300,
            last_seconds: 0,
            tracks,
        };
        let size = encode(&calibration, 1).len();
        assert!(size < 11_000, "{size}");
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(position in 0..1_000_usize, change in 1..=255_u8) {
            let mut bytes = encode(&calibration(), 7);
            let position = position % bytes.len();
            bytes[position] ^= change;
            prop_assert!(decode(&bytes, 7, 2, &targets(1)).is_err());
        }

        #[test]
        fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert!(decode(&bytes, 7, 2, &targets(1)).is_err());
        }
    }
}
