//! Small charts, drawn here: a line over time without axes, whose words say what it shows.

use askama::Template;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 24.0;

/// A line over time.
#[derive(Template)]
#[template(path = "spark.html", config = "src/admin/console/askama.toml")]
pub(super) struct Spark {
    /// What it shows, for those who don't see it.
    label: String,
    points: String,
}

impl Spark {
    /// Of values in the order of their times; none of fewer than two.
    pub(super) fn of(what: &str, values: &[f64]) -> Option<Self> {
        let last = *values.last()?;
        if values.len() < 2 {
            return None;
        }
        let most = values.iter().copied().fold(0.0, f64::max);
        let label = format!("{what}: now {}, at most {}", short(last), short(most));
        Some(Self { label, points: points(values, most) })
    }
}

fn points(values: &[f64], most: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred values")]
    let step = WIDTH / (values.len() - 1) as f64;
    let mut x = 0.0;
    let mut points = Vec::with_capacity(values.len());
    for value in values {
        let share = if most > 0.0 { value / most } else { 0.0 };
        points.push(format!("{x:.1},{:.1}", HEIGHT - 2.0 - share * (HEIGHT - 4.0)));
        x += step;
    }
    points.join(" ")
}

/// A rate or a count with few digits.
pub(super) fn short(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_its_box() {
        let spark = Spark::of("waiting", &[0.0, 5.0, 2.5]).unwrap();
        assert_eq!(spark.points, "0.0,22.0 60.0,2.0 120.0,12.0");
        assert_eq!(spark.label, "waiting: now 2.5, at most 5");
        assert!(Spark::of("waiting", &[1.0]).is_none());
        assert_eq!(Spark::of("nothing", &[0.0, 0.0]).unwrap().points, "0.0,22.0 120.0,22.0");
    }
}
