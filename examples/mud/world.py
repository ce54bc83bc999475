"""What a player can do in the game of examples/mud, as text in and text out.

Nothing here knows of transports: it is what a telnet server would call, too.
"""

from collections.abc import Callable

ROOMS = {
    "hall": ("A hall with a cold fireplace.", {"north": "library", "east": "garden"}),
    "library": ("Shelves up to the ceiling.", {"south": "hall"}),
    "garden": ("Roses, and a bench in the sun.", {"west": "hall"}),
}
HELP = "look, who, say WORDS, or the way to go: north, south, east, west"
players: dict[str, "Player"] = {}


class Player:
    def __init__(self, name: str, tell: Callable[[str], object]) -> None:
        self.name, self.tell, self.room = name, tell, "hall"
        players[name] = self
        self.arrive()

    def others(self, text: str) -> None:
        for player in [*players.values()]:
            if player.room == self.room and player is not self:
                player.tell(text)

    def arrive(self) -> None:
        self.others(f"{self.name} comes in.")
        self.look()

    def look(self) -> None:
        description, exits = ROOMS[self.room]
        here = [each.name for each in players.values() if each.room == self.room]
        self.tell(f"{description} Exits: {', '.join(exits)}. Here: {', '.join(here)}.")

    def command(self, line: str) -> None:
        verb, _, words = line.strip().partition(" ")
        exits = ROOMS[self.room][1]
        if verb in exits:
            self.others(f"{self.name} goes {verb}.")
            self.room = exits[verb]
            self.arrive()
        elif verb == "say" and words:
            self.tell(f"You say: {words}")
            self.others(f"{self.name} says: {words}")
        elif verb == "look":
            self.look()
        elif verb == "who":
            self.tell("Playing: " + ", ".join(players))
        elif verb in ("north", "south", "east", "west"):
            self.tell("There is no way.")
        else:
            self.tell(HELP)

    def leave(self) -> None:
        del players[self.name]
        self.others(f"{self.name} fades away.")
