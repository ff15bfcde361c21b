//! The password that a command gives an account, or one of the host's people.

use clap::Args;
use opterius_model::Password;

use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::secret;

#[derive(Args)]
pub(crate) struct Source {
    /// Read the password from standard input; without this one is made and shown once
    // There is no option that takes the password itself: arguments are seen by every user of the machine.
    #[arg(long)]
    password_stdin: bool,
}

/// A password, which is shown once if it was made here.
pub(crate) struct NewPassword {
    text: String,
    made: bool,
}

impl Source {
    /// Makes the password, or reads it.
    pub(crate) fn take(&self) -> Result<NewPassword, Failure> {
        if self.password_stdin {
            Ok(NewPassword { text: typed()?.expose().to_owned(), made: false })
        } else {
            Ok(NewPassword { text: secret::password(), made: true })
        }
    }
}

impl NewPassword {
    /// The password, to be sent.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// The password, if it was made here, and nobody knows it yet.
    pub(crate) fn made(&self) -> Option<&str> {
        self.made.then_some(self.text.as_str())
    }

    /// Shows a person the password that was made.
    pub(crate) fn show(&self) {
        if let Some(password) = self.made() {
            output::blank();
            output::line(format!("Password: {password}   (shown only now)"));
        }
    }
}

/// The first line of standard input.
fn typed() -> Result<Password, Failure> {
    let mut line = input::line(std::io::stdin().lock())
        .map_err(|error| Failure::because("could not read the password from standard input", &error))?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    Password::parse(line).map_err(|error| Failure::new(error.to_string()))
}
