//! Line plots as SVG whose colours are the page's: `var(--c0)`, `var(--ink)`, `var(--grid)`, so that they follow light and
//! dark.

use std::ops::Range;

use anyhow::Context as _;
use plotters::{coord::Shift, prelude::*};

use super::markup::escape;

/// Series colours that the page defines.
pub const COLOURS: usize = 8;

/// What is drawn.
pub struct Plot {
    /// For those who don't see it.
    pub label: String,
    pub size: (u32, u32),
    pub x: Range<f64>,
    pub y: Range<f64>,
    /// Names of the whole numbers on the x axis; empty shows the numbers.
    pub x_names: Vec<String>,
    pub x_ticks: usize,
    pub y_decimals: usize,
    /// Areas, drawn first.
    pub bands: Vec<Band>,
    /// A line across at each.
    pub rules: Vec<f64>,
    pub lines: Vec<Line>,
}

/// A line through points; NaN interrupts it.
pub struct Line {
    pub colour: Colour,
    pub points: Vec<(f64, f64)>,
    /// Whether its points are marked.
    pub marked: bool,
}

/// The area between two lines.
pub struct Band {
    pub colour: Colour,
    /// x, lower y, upper y.
    pub edges: Vec<(f64, f64, f64)>,
}

/// A colour by its name in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A series; counted modulo [`COLOURS`].
    Series(usize),
    /// Text and what came.
    Ink,
    /// Lines that help to read.
    Grid,
}

impl Colour {
    /// What stands for it until the drawing is done: plotters knows only numbers.
    fn placeholder(self) -> RGBColor {
        match self {
            Self::Series(index) => RGBColor(1, 2, (index % COLOURS) as u8),
            Self::Ink => RGBColor(1, 3, 0),
            Self::Grid => RGBColor(1, 4, 0),
        }
    }

    /// The page's variable.
    pub fn css(self) -> String {
        match self {
            Self::Series(index) => format!("var(--c{})", index % COLOURS),
            Self::Ink => "var(--ink)".to_owned(),
            Self::Grid => "var(--grid)".to_owned(),
        }
    }
}

impl Plot {
    /// The drawing, to stand in a page.
    ///
    /// # Errors
    /// What plotters says.
    pub fn svg(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, self.size).into_drawing_area();
        self.draw(&area)
            .and_then(|()| Ok(area.present()?))
            .with_context(|| format!("cannot draw {}", self.label))?;
        drop(area);
        let named = (0..COLOURS)
            .map(Colour::Series)
            .chain([Colour::Ink, Colour::Grid]);
        for colour in named {
            let RGBColor(red, green, blue) = colour.placeholder();
            svg = svg.replace(&format!("#{red:02X}{green:02X}{blue:02X}"), &colour.css());
        }
        let label = escape(&self.label);
        Ok(svg.replacen(
            "<svg ",
            &format!(r#"<svg role="img" aria-label="{label}" "#),
            1,
        ))
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> anyhow::Result<()> {
        let failed = |error: DrawingAreaErrorKind<_>| anyhow::anyhow!("{error}");
        let ink = Colour::Ink.placeholder();
        let grid = Colour::Grid.placeholder();
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(22)
            .y_label_area_size(40)
            .build_cartesian_2d(self.x.clone(), self.y.clone())
            .map_err(failed)?;
        let name = |x: &f64| -> String {
            match self.x_names.is_empty() {
                true => format!("{x:.0}"),
                false if (x - x.round()).abs() > 1e-6 || *x < -0.5 => String::new(),
                false => self
                    .x_names
                    .get(x.round() as usize)
                    .cloned()
                    .unwrap_or_default(),
            }
        };
        let value = |y: &f64| {
            // No negative zero.
            let y = if y.abs() < 1e-9 { 0.0 } else { *y };
            format!("{y:.*}", self.y_decimals)
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .axis_style(grid)
            .bold_line_style(grid)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 12).into_font().color(&ink))
            .x_labels(self.x_ticks)
            .y_labels(5)
            .x_label_formatter(&name)
            .y_label_formatter(&value)
            .draw()
            .map_err(failed)?;
        for band in &self.bands {
            let edges = band.edges.iter();
            let upper = edges.clone().map(|(x, _, high)| (*x, self.clip(*high)));
            let lower = edges.rev().map(|(x, low, _)| (*x, self.clip(*low)));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            let style = band.colour.placeholder().mix(0.22).filled();
            chart
                .draw_series([Polygon::new(outline, style)])
                .map_err(failed)?;
        }
        for rule in &self.rules {
            let ends = [(self.x.start, *rule), (self.x.end, *rule)];
            chart
                .draw_series(LineSeries::new(ends, ink.mix(0.55)))
                .map_err(failed)?;
        }
        for line in &self.lines {
            let colour = line.colour.placeholder();
            let runs = line.points.split(|(_, y)| y.is_nan());
            for run in runs.filter(|run| !run.is_empty()) {
                let points: Vec<(f64, f64)> =
                    run.iter().map(|(x, y)| (*x, self.clip(*y))).collect();
                if line.marked {
                    let marks = points.iter();
                    chart
                        .draw_series(marks.map(|point| Circle::new(*point, 3, colour.filled())))
                        .map_err(failed)?;
                }
                chart
                    .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// What lies outside is drawn at the edge.
    fn clip(&self, y: f64) -> f64 {
        y.clamp(self.y.start, self.y.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_the_colours_of_the_page_and_no_others() {
        let plot = Plot {
            label: "a < b".to_owned(),
            size: (300, 200),
            x: -0.2..3.2,
            y: -0.5..1.0,
            x_names: ["5", "15", "30", "60"].map(str::to_owned).to_vec(),
            x_ticks: 4,
            y_decimals: 1,
            bands: vec![Band {
                colour: Colour::Series(3),
                edges: vec![(0.0, -0.1, 0.1), (3.0, -9.0, 9.0)],
            }],
            rules: vec![0.0],
            lines: vec![Line {
                colour: Colour::Series(9),
                points: vec![(0.0, 0.5), (1.0, f64::NAN), (2.0, 7.0), (3.0, 0.2)],
                marked: true,
            }],
        };
        let svg = plot.svg().unwrap();
        assert!(
            svg.contains("var(--c1)") && svg.contains("var(--c3)") && svg.contains("var(--ink)")
        );
        assert!(!svg.contains("\"#"), "{svg}");
        assert!(svg.contains(r#"aria-label="a &lt; b""#));
        for name in ["5", "15", "30", "60"] {
            assert!(svg.contains(&format!("\n{name}\n")), "{name} in {svg}");
        }
        // Two runs: the gap is not drawn over.
        assert_eq!(svg.matches("<circle").count(), 3);
    }
}
