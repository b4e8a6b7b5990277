//! [`Palette`]: the view's colours, or none.

use super::super::print;
use anstream::ColorChoice;
use anstyle::AnsiColor;
use fuseboard::CircuitState;
use ratatui::style::{Color, Modifier, Style};

/// Whether there are colours; without, states differ by weight and the selected row by reversal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    is_coloured: bool,
}

impl Palette {
    /// What the terminal and the environment want: `NO_COLOR`, `CLICOLOR`.
    pub(crate) fn of_stdout() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Self {
            is_coloured: choice != ColorChoice::Never,
        }
    }

    fn coloured(self, style: Style, colour: Color) -> Style {
        if self.is_coloured {
            style.fg(colour)
        } else {
            style
        }
    }

    /// Of a breaker's state.
    pub(crate) fn state(self, state: CircuitState) -> Style {
        let style = if state == CircuitState::Closed {
            Style::new()
        } else {
            Style::new().add_modifier(Modifier::BOLD)
        };
        let colour = match print::colour(state) {
            AnsiColor::Green => Color::Green,
            AnsiColor::Yellow => Color::Yellow,
            AnsiColor::Red => Color::Red,
            _ => Color::Blue,
        };
        self.coloured(style, colour)
    }

    /// Of what needs a look.
    pub(crate) fn alarm(self) -> Style {
        self.coloured(Style::new().add_modifier(Modifier::BOLD), Color::Red)
    }

    /// Of what a limiter is short of.
    pub(crate) fn warning(self) -> Style {
        self.coloured(Style::new(), Color::Yellow)
    }

    /// Of the program's name and of keys.
    pub(crate) fn accent(self) -> Style {
        self.coloured(Style::new().add_modifier(Modifier::BOLD), Color::Cyan)
    }

    /// Of what is only a frame.
    pub(crate) fn quiet(self) -> Style {
        self.coloured(Style::new().add_modifier(Modifier::DIM), Color::Reset)
    }

    /// Of titles.
    pub(crate) fn title() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of the selected row.
    pub(crate) fn selected(self) -> Style {
        if self.is_coloured {
            Style::new()
                .bg(Color::Indexed(237))
                .add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }
}
