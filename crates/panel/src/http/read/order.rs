//! Reads an order of an account: a body, or the form of a page.

use std::sync::Arc;

use opterius_model::{DomainName, PackageId, PackageName, PhpChoice, Username};

use crate::app::{self, Caller, ClientRef, EmailAddress, ExternalRef, Order, PackageChoice};
use crate::core::Core;
use crate::http::problem::Problem;
use crate::http::read::Fields;
use crate::store::account::Client;

/// Reads an order, and says all that is wrong with it.
pub(crate) async fn order(core: &Core, caller: &Caller, mut fields: Fields) -> Result<Order, Problem> {
    let reserved = app::reserved_names(core).await?;
    let username = fields.required("username", Username::parse);
    let domain = fields.required("domain", DomainName::parse);
    refuse_reserved(&mut fields, domain.as_ref(), &reserved);
    let password = fields.password("password");
    let package = package_choice(&mut fields);
    let email = fields.optional("email", EmailAddress::parse);
    let server = fields.optional("server", server_choice);
    let php_version = fields.optional("php_version", PhpChoice::parse);
    let external_ref = if caller.ref_prefix.is_some() {
        // Without one, the token that ordered the account could never see it.
        fields.required("external_ref", ExternalRef::parse)
    } else {
        fields.optional("external_ref", ExternalRef::parse)
    };
    let client = Client {
        client_ref: fields.optional("client_ref", ClientRef::parse).map(|client_ref| caller.stored_client_ref(&client_ref)),
        next_due_on: fields.optional("next_due_on", app::day),
    };
    let order = (|| {
        Some(Order {
            username: username?,
            domain: domain?,
            password: Arc::new(password?),
            package: package?,
            email,
            server,
            php_version,
            external_ref: external_ref.map(|external_ref| caller.stored_ref(&external_ref)),
            client,
        })
    })();
    fields.finish(order)
}

/// How an order names its server.
pub(crate) fn server_choice(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=64 => Ok(text.to_owned()),
        _ => Err("`server` must be the id or the name of a server".to_owned()),
    }
}

/// A name that no account gets.
pub(crate) fn refuse_reserved(fields: &mut Fields, domain: Option<&DomainName>, reserved: &[DomainName]) {
    if let Some(detail) = domain.and_then(|domain| app::reserved(domain, reserved)) {
        fields.refuse("domain", "reserved", detail);
    }
}

pub(crate) fn package_choice(fields: &mut Fields) -> Option<PackageChoice> {
    match (fields.has("package"), fields.has("package_id")) {
        (_, false) => fields.required("package", PackageName::parse).map(PackageChoice::Name),
        (false, true) => fields.required("package_id", PackageId::parse).map(PackageChoice::Id),
        (true, true) => {
            let _ = (fields.optional("package", PackageName::parse), fields.optional("package_id", PackageId::parse));
            fields.refuse("package_id", "invalid", "give `package` or `package_id`, not both");
            None
        }
    }
}
