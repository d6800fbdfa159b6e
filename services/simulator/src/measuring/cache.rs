//! Recorded forecasts as files, named by what they follow from: the model, the series, the format.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::closed_loop::{
    cells::Cells,
    forecasts::{Forecasts, Shape},
};

/// Another one whenever what is recorded changes.
const FORMAT: u8 = 1;

/// A folder of recordings of one model.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    model_sha256: String,
}

impl Cache {
    /// That in `folder`, which is made when something is stored.
    pub fn new(folder: &Path, model_sha256: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            model_sha256: model_sha256.to_owned(),
        }
    }

    /// What was recorded of a series; `None` when nothing was, or not all of it.
    pub fn get(&self, cells: &Cells, shape: &Shape) -> Option<Forecasts> {
        let bytes = fs::read(self.path(cells)).ok()?;
        let whole = bytes.len() == cells.len() * shape.width() * size_of::<f32>();
        let (numbers, _) = bytes.as_chunks();
        whole.then(|| Forecasts {
            shape: shape.clone(),
            values: numbers
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
        })
    }

    /// Stores what was recorded, whole or not at all.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn put(&self, cells: &Cells, forecasts: &Forecasts) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let bytes: Vec<u8> = forecasts
            .values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let path = self.path(cells);
        let part = path.with_extension(format!("part{}", std::process::id()));
        fs::write(&part, bytes)?;
        fs::rename(part, path)
    }

    fn path(&self, cells: &Cells) -> PathBuf {
        let mut digest = Sha256::new();
        digest.update([FORMAT]);
        digest.update(&self.model_sha256);
        for step in 0..cells.len() {
            digest.update(cells.seconds[step].to_le_bytes());
            digest.update(cells.percent[step].to_le_bytes());
            digest.update([u8::from(cells.observed[step])]);
        }
        let name = hex::encode(digest.finalize());
        self.folder.join(format!("{name}.f32"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_found_again_by_model_and_series_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made");
        let cells = Cells::of(&[0, 300], &[1.0, 2.0]);
        let shape = Shape {
            horizons_seconds: vec![300],
            quantiles: vec![0.5],
        };
        let forecasts = Forecasts {
            shape: shape.clone(),
            values: vec![1.0, f32::MAX, -0.5, 4.0],
        };
        let cache = Cache::new(&folder, "a");
        assert_eq!(cache.get(&cells, &shape), None);
        cache.put(&cells, &forecasts).unwrap();
        assert_eq!(cache.get(&cells, &shape), Some(forecasts));
        assert_eq!(Cache::new(&folder, "b").get(&cells, &shape), None);
        for (times, values) in [([0, 300], [1.0, 2.1]), ([0, 600], [1.0, 2.0])] {
            assert_eq!(cache.get(&Cells::of(&times, &values), &shape), None);
        }
        let files: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(files.len(), 1);
        let path = files[0].as_ref().unwrap().path();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(cache.get(&cells, &shape), None);
    }
}
