//! `petwalker:identity/profiles`.

use petwalker_store::Ambient;

use super::bindings::Component;
use super::bindings::exports::petwalker::identity::profiles::{
    Caller, Command, Guest, Pet, PetDetails, Rating, Refusal, Walker, WalkerDetails,
};
use super::{convert, global};
use crate::service;

impl Guest for Component {
    async fn add_pet(command: Command, caller: Caller, details: PetDetails) -> Result<Pet, Refusal> {
        let caller = convert::caller(&caller)?;
        let command = convert::command(command, caller);
        let sql = global()?;
        let details = convert::pet_details(details);
        let pet = Ambient::moment(|moment| service::add_pet(&sql, moment, &command, caller, details))?;
        Ok(convert::pet(pet))
    }

    async fn list_pets(caller: Caller) -> Result<Vec<Pet>, Refusal> {
        let pets = service::list_pets(&global()?, convert::caller(&caller)?)?;
        Ok(pets.into_iter().map(convert::pet).collect())
    }

    async fn get_pets(caller: Caller, ids: Vec<String>) -> Result<Vec<Pet>, Refusal> {
        let caller = convert::caller(&caller)?;
        let parse = |id: &String| id.parse().map_err(|_| service::Refusal::NotFound("pet"));
        let ids = ids.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(service::get_pets(&global()?, caller, &ids)?.into_iter().map(convert::pet).collect())
    }

    async fn put_walker(command: Command, caller: Caller, details: WalkerDetails) -> Result<Walker, Refusal> {
        let caller = convert::caller(&caller)?;
        let command = convert::command(command, caller);
        let details = convert::walker_details(details)?;
        let sql = global()?;
        let walker = Ambient::moment(|moment| service::put_walker(&sql, moment, &command, caller, &details))?;
        Ok(convert::walker(walker))
    }

    async fn get_walker(account_id: String) -> Result<Walker, Refusal> {
        let account = account_id.parse().map_err(|_| service::Refusal::NotFound("walker"))?;
        Ok(convert::walker(service::get_walker(&global()?, account)?))
    }

    async fn rate_walker(command: Command, caller: Caller, rating: Rating) -> Result<Walker, Refusal> {
        let caller = convert::caller(&caller)?;
        let command = convert::command(command, caller);
        let rating = convert::rating(rating)?;
        let sql = global()?;
        let walker = Ambient::moment(|moment| service::rate_walker(&sql, moment, &command, caller, &rating))?;
        Ok(convert::walker(walker))
    }
}
