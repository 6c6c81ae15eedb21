//! The account with a server: one for each account elsewhere that it may be bound to, and one that is bound to none.

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, Key, NewAccount};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use super::{
    asked::{Asked, External},
    order::Run,
    problem,
    request::decode,
    store::{account_at, keep_account, put, read, remove},
    wire::Wire,
};
use crate::{
    error::{Error, Result},
    host::{Deciding, Host, ours_alone},
    state::Bytes,
};

/// What is kept of an account.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The address that the server was told last.
    contact: Option<String>,
    #[serde(flatten)]
    credentials: AccountCredentials,
}

/// Returns the account that is kept for what is asked.
pub(super) fn known(host: &dyn Host, wire: &Wire, asked: &Asked) -> Result<Option<Account>> {
    let Some(kept) = read::<Kept>(host, &account_at(asked, "json"))? else {
        return Ok(None);
    };
    let builder = Account::builder_with_http(Box::new(wire.clone()));
    let account = wire.drive(host, builder.from_credentials(kept.credentials));
    account.map(Some)
}

impl Run<'_> {
    /// Returns the account, which is made where there is none, and of which the server knows the address.
    pub(super) fn account(&self, host: &mut dyn Host) -> Result<Account> {
        let account = match known(host, &self.wire, self.asked)? {
            Some(account) => account,
            None => self.make(host)?,
        };
        let at = account_at(self.asked, "json");
        if let (Some(mail), Some(kept)) = (&self.asked.contact, read::<Kept>(host, &at)?)
            && kept.contact.as_ref() != Some(mail)
        {
            (self.say)(&format!("telling {} the address {mail}", self.asked.server));
            let contact = [format!("mailto:{mail}")];
            let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
            self.wire.drive(host, account.update_contacts(&contact))?;
            let kept = Kept {
                contact: Some(mail.clone()),
                ..kept
            };
            put(host, &at, &kept)?;
        }
        Ok(account)
    }

    fn make(&self, host: &mut dyn Host) -> Result<Account> {
        let server = &self.asked.server;
        (self.say)(&format!("making an account with {server}"));
        let builder = Account::builder_with_http(Box::new(self.wire.clone()));
        let (account, credentials, contact) = if let Some(external) = &self.asked.external {
            // The library makes the key of an account that is bound elsewhere by itself.
            let hmac = bound(host, external)?;
            let contact = self.asked.contact.as_ref().map(|at| format!("mailto:{at}"));
            let contact: Vec<&str> = contact.as_deref().into_iter().collect();
            let new = NewAccount {
                contact: &contact,
                terms_of_service_agreed: true,
                only_return_existing: false,
            };
            let made = builder.create(&new, server.clone(), Some(&hmac));
            let (account, credentials) = self.wire.drive(host, made)?;
            (account, credentials, self.asked.contact.clone())
        } else {
            // With a key that the server knows already, this finds the account that an earlier run made.
            let (key, der) = self.account_key(host)?;
            let made = builder.create_from_key((key, PrivateKeyDer::Pkcs8(der)), server.clone());
            let (account, credentials) = self.wire.drive(host, made)?;
            (account, credentials, None)
        };
        let kept = Kept {
            contact,
            credentials,
        };
        let kept = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        keep_account(host, &account_at(self.asked, "json"), Bytes::from(kept))?;
        remove(host, &account_at(self.asked, "key"))?;
        Ok(account)
    }

    /// Returns the key that an earlier run kept and got no account for, or a new one that is kept.
    fn account_key(&self, host: &mut dyn Host) -> Result<(Key, PrivatePkcs8KeyDer<'static>)> {
        let at = account_at(self.asked, "key");
        if let Some(bytes) = host.load(&at)?.bytes() {
            let der = PrivatePkcs8KeyDer::from(bytes.reveal().to_vec());
            let key = Key::from_pkcs8_der(der.clone_key()).map_err(|error| Error::Stored {
                path: at.to_string(),
                message: error.to_string(),
            })?;
            return Ok((key, der));
        }
        let made = Key::generate_pkcs8();
        let (key, der) = made.map_err(|error| problem::told(&self.asked.server, error))?;
        let bytes = Bytes::from(der.secret_pkcs8_der().to_vec());
        keep_account(host, &at, bytes)?;
        Ok((key, der))
    }
}

/// Reads the key of an account elsewhere.
fn bound(host: &dyn Host, external: &External) -> Result<ExternalAccountKey> {
    let file = Deciding::Named(&external.key_file);
    ours_alone(host, file, "it decides on whose account names are issued")?;
    let key = host.read_input(&external.key_file)?;
    let text = std::str::from_utf8(key.reveal()).ok();
    let key = text.and_then(decode).ok_or_else(|| Error::Input {
        subject: format!("`{}`", external.key_file),
        message: "holds no key in base64url".to_owned(),
        hint: "write the HMAC key into it as the server gave it".to_owned(),
    })?;
    Ok(ExternalAccountKey::new(external.kid.clone(), key.reveal()))
}
