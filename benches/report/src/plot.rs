//! Plots, as SVG that can be read on a light page and on a dark one.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::grid::{Kind, figure};

/// Text and lines; [`THEME`] makes them light where the page is dark.
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// What is of less weight, of a grey that shows on both.
const FAINT: RGBColor = RGBColor(0x80, 0x86, 0x8D);
const OURS: RGBColor = RGBColor(0x2F, 0x81, 0xF7);
const PEER: RGBColor = RGBColor(0x8C, 0x95, 0x9F);
const FLOOR: RGBColor = RGBColor(0xC9, 0x95, 0x1B);
/// Lines of ours, and of the others.
const OUR_LINES: [RGBColor; 3] = [OURS, RGBColor(0x00, 0xB3, 0xC6), RGBColor(0x6E, 0x5D, 0xF0)];
const PEER_LINES: [RGBColor; 8] = [
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x8C, 0x6D, 0x46),
    RGBColor(0xB0, 0x3A, 0x5B),
    RGBColor(0x7A, 0x9A, 0x01),
    RGBColor(0x8C, 0x95, 0x9F),
];

/// Attributes give way to style sheets.
const THEME: &str = "<style>@media (prefers-color-scheme: dark) {\
    [fill=\"#24292F\"] { fill: #E6EDF3 } [stroke=\"#24292F\"] { stroke: #E6EDF3 } }</style>";

const WIDTH: u32 = 900;
const LEFT: i32 = 215;
const ROW: i32 = 22;
/// Room for the figure behind the longest bar.
const FIGURE: i32 = 62;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A column of bars.
#[derive(Clone, Debug)]
pub struct Column {
    /// What was done.
    pub title: String,
    /// A figure for each client, in the order of [`Bars::clients`].
    pub values: Vec<Option<f64>>,
}

/// Bars for each client.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What is shown, and in what unit.
    pub title: String,
    /// What was measured.
    pub measure: String,
    /// Name and kind.
    pub clients: Vec<(String, Kind)>,
    /// One for each case.
    pub columns: Vec<Column>,
}

/// Lines over a number that grows.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What is shown, and in what unit.
    pub title: String,
    /// What was measured.
    pub measure: String,
    /// What grows.
    pub over: String,
    /// The lines.
    pub lines: Vec<Curve>,
}

/// A line of [`Lines`].
#[derive(Clone, Debug)]
pub struct Curve {
    /// Whose it is.
    pub name: String,
    /// What that is.
    pub kind: Kind,
    /// In the order of what grows.
    pub points: Vec<(f64, f64)>,
}

fn font(size: i32, colour: RGBColor, horizontal: HPos) -> TextStyle<'static> {
    TextStyle {
        font: ("sans-serif", size).into_font(),
        color: colour.to_backend_color(),
        pos: Pos::new(horizontal, VPos::Center),
    }
}

fn finished(svg: String) -> String {
    // Behind the opening tag of the whole.
    let mut svg = svg;
    if let Some(at) = svg.find(">\n") {
        svg.insert_str(at + 1, THEME);
    }
    svg
}

fn bar_colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Ours => OURS,
        Kind::Peer => PEER,
        Kind::Floor => FLOOR,
    }
}

impl Bars {
    /// Draws them. Bars are as long as their figures, or as their logarithms where one is more than
    /// a hundred times another; the title then says so.
    ///
    /// # Errors
    ///
    /// What the library for plots says.
    pub fn draw(&self) -> Outcome<String> {
        let mut svg = String::new();
        let top = 66;
        let height = top + ROW * i32::try_from(self.clients.len())? + 12;
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, u32::try_from(height)?))
                .into_drawing_area();
            area.draw(&Text::new(
                self.title.as_str(),
                (12, 18),
                font(16, INK, HPos::Left),
            ))?;
            for (at, (client, kind)) in self.clients.iter().enumerate() {
                let y = top + ROW * i32::try_from(at)? + ROW / 2;
                let colour = match kind {
                    Kind::Ours => OURS,
                    _ => INK,
                };
                let style = font(13, colour, HPos::Right);
                area.draw(&Text::new(client.as_str(), (LEFT - 8, y), style))?;
            }
            let columns = i32::try_from(self.columns.len())?;
            let width = (i32::try_from(WIDTH)? - LEFT - 8) / columns.max(1);
            for (at, column) in self.columns.iter().enumerate() {
                let left = LEFT + width * i32::try_from(at)?;
                self.column(&area, column, (left, top), width - FIGURE - 10)?;
            }
            area.present()?;
        }
        Ok(finished(svg))
    }

    fn column<'a>(
        &self,
        area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
        column: &Column,
        (left, top): (i32, i32),
        width: i32,
    ) -> Outcome<()>
    where
        SVGBackend<'a>: DrawingBackend<ErrorType: 'static>,
    {
        let values = || column.values.iter().flatten().copied();
        let most = values().fold(0.0, f64::max);
        let least = values().filter(|it| *it > 0.0).fold(most, f64::min);
        let is_log = most > 100.0 * least;
        // A logarithmic bar begins at the power of ten below the shortest.
        let from = 10_f64.powf((least * 0.7).log10().floor());
        let share = |value: f64| match is_log {
            _ if value <= 0.0 => 0.0,
            true => (value / from).ln() / (most / from).ln(),
            false => value / most,
        };
        let title = match is_log {
            true => format!("{} (logarithmic)", column.title),
            false => column.title.clone(),
        };
        let style = font(13, INK, HPos::Left);
        area.draw(&Text::new(title, (left, top - 16), style))?;
        let bottom = top + ROW * i32::try_from(self.clients.len())?;
        area.draw(&PathElement::new(
            vec![(left, top), (left, bottom)],
            FAINT.stroke_width(1),
        ))?;
        for (at, (value, (_, kind))) in column.values.iter().zip(&self.clients).enumerate() {
            let y = top + ROW * i32::try_from(at)?;
            let Some(value) = *value else {
                let style = font(12, FAINT, HPos::Left);
                area.draw(&Text::new("–", (left + 6, y + ROW / 2), style))?;
                continue;
            };
            let length = (share(value) * f64::from(width)).round() as i32;
            area.draw(&Rectangle::new(
                [(left, y + 4), (left + length, y + ROW - 4)],
                bar_colour(*kind).filled(),
            ))?;
            area.draw(&Text::new(
                figure(&self.measure, value),
                (left + length + 5, y + ROW / 2),
                font(12, INK, HPos::Left),
            ))?;
        }
        Ok(())
    }
}

impl Lines {
    /// Draws them, both ways on logarithmic scales.
    ///
    /// # Errors
    ///
    /// What the library for plots says.
    pub fn draw(&self) -> Outcome<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            let least = points().map(of).fold(f64::INFINITY, f64::min);
            let most = points().map(of).fold(0.0, f64::max);
            (least, most)
        };
        let (left, right) = range(|it| it.0);
        let (low, high) = range(|it| it.1);
        let (low, high) = (low / 1.3, high * 1.3);
        let mut steps: Vec<_> = points().map(|it| it.0).collect();
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let marks = powers
            .flat_map(|power| [1.0, 2.0, 5.0].map(|it| it * 10_f64.powi(power)))
            .filter(|mark| (low..=high).contains(mark))
            .collect();
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, 420)).into_drawing_area();
            area.draw(&Text::new(
                self.title.as_str(),
                (12, 18),
                font(16, INK, HPos::Left),
            ))?;
            let mut chart = ChartBuilder::on(&area)
                .margin_top(42)
                .margin_left(8)
                .margin_right(215)
                .margin_bottom(6)
                .x_label_area_size(42)
                .y_label_area_size(70)
                .build_cartesian_2d(
                    (left..right * 1.05).log_scale().with_key_points(steps),
                    (low..high).log_scale().with_key_points(marks),
                )?;
            chart
                .configure_mesh()
                .bold_line_style(FAINT.mix(0.35))
                .light_line_style(TRANSPARENT)
                .axis_style(FAINT)
                .x_desc(self.over.as_str())
                .y_desc(self.measure.as_str())
                .x_label_formatter(&|value| figure("", *value))
                .y_label_formatter(&|value| figure(&self.measure, *value))
                .label_style(font(12, INK, HPos::Center))
                .axis_desc_style(font(13, INK, HPos::Center))
                .draw()?;
            let mut ends = Vec::new();
            let (mut ours, mut peers) = (0, 0);
            for Curve { name, kind, points } in &self.lines {
                let (colour, width) = match kind {
                    Kind::Ours => {
                        ours += 1;
                        (OUR_LINES[(ours - 1) % OUR_LINES.len()], 3)
                    }
                    Kind::Floor => (FLOOR, 2),
                    Kind::Peer => {
                        peers += 1;
                        (PEER_LINES[(peers - 1) % PEER_LINES.len()], 2)
                    }
                };
                let line = PathElement::new(points.clone(), colour.stroke_width(width));
                chart.draw_series([line])?;
                let dots = points.iter().map(|it| Circle::new(*it, 3, colour.filled()));
                chart.draw_series(dots)?;
                if let Some(end) = points.last() {
                    let (x, y) = chart.backend_coord(end);
                    ends.push((y, x, name.as_str(), colour));
                }
            }
            // Names stand beside the ends of their lines, apart from each other.
            ends.sort_by_key(|end| end.0);
            let mut next = i32::MIN;
            for (y, x, name, colour) in ends {
                let at = y.max(next);
                next = at + 16;
                area.draw(&Text::new(name, (x + 10, at), font(13, colour, HPos::Left)))?;
            }
            area.present()?;
        }
        Ok(finished(svg))
    }
}
