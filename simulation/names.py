"""What the people are called: common given and family names of several countries."""

# ruff: noqa: SIM905  a paragraph of names is easier to read than a line for each

from typing import Final

GIVEN: Final = (
    "Ada Alan Amara Ana Andrew Anna Anthony Aoife Arthur Ben Bo Brian Camille Carla Carlos Chen "
    "Chloé Claire Cy Daniel David Deborah Diego Dora Edgar Elena Eli Elif Emma Eric Esther Eva "
    "Fatima Felix Fiona Frank Freya George Gita Grace Greta Hana Hannah Hassan Helen Hugo Ian Ida "
    "Ines Irene Iris Ivan Jack Jakub James Jana Jens João Johanna John José Judith Julia Kai Karen "
    "Kate Keiko Ken Klara Lars Laura Lea Leo Lia Liam Lin Linda Lou Lucas Lucy Lukas Magda Malik "
    "Marco Maria Marie Mark Marta Max Maya Mei Mia Michael Mina Mira Nadia Naomi Nina Noah Nora "
    "Olga Oliver Omar Oscar Otto Paul Paula Pedro Per Petra Priya Rachel Rafael Ravi Renée Rita "
    "Robert Rosa Ruth Sam Sara Selma Simon Sofia Stefan Susan Tara Theo Thomas Tim Tom Uma Una "
    "Vera Victor Wei William Xin Yara Yuki Yusuf Zoe Zoltan"
).split()

FAMILY: Final = (
    "Adams Ahmed Allen Andersen Bailey Baker Bauer Becker Bell Berg Bianchi Blanc Brown Bryant "
    "Byrne Carter Chan Clark Cohen Cole Costa Cruz Davis Dean Diaz Dubois Edwards Evans Farah "
    "Ferrari Fischer Fisher Flores Fox Garcia Gray Green Gupta Haas Hall Hansen Harris Hayes Hill "
    "Hoffmann Hughes Ito Jackson Jansen Johnson Jones Kaya Keller Kelly Kim King Klein Koch Kowal "
    "Lambert Larsen Laurent Lee Lehmann Lewis Li Lindgren Long Lopez Lund Martin Mason Mehta Meyer "
    "Miller Moore Moreau Morgan Mori Murphy Nguyen Nielsen Novak O’Brien Okafor Olsen Ortiz Owen "
    "Park Parker Patel Perez Peters Petit Phillips Popov Price Quinn Ramos Reed Reyes Ricci Rivera "
    "Roberts Rossi Roy Ruiz Russo Ryan Sanchez Sato Schmidt Schulz Scott Silva Singh Smith Sokolov "
    "Stein Suzuki Svensson Tanaka Taylor Thomas Torres Tran Turner Vargas Vogel Wagner Walker Wang "
    "Ward Watson Weber White Williams Wilson Wolf Wong Wood Wright Yamada Yilmaz Young Zhang Zimmer"
).split()

# `.example` is reserved (RFC 2606): mail to it reaches nobody.
DOMAINS: Final = (
    "mail.example",
    "post.example",
    "inbox.example",
    "letters.example",
    "firm.example",
    "studio.example",
)
