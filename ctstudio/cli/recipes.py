"""``ctstudio recipes``: the trainings that come with CT Studio."""

from __future__ import annotations

import click

from ctstudio.cli.common import examples


@click.command(
    "recipes",
    epilog=examples("ctstudio recipes", "ctstudio recipes dncnn-low-dose > mine.toml"),
)
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the bundled recipes, or print recipe NAME as TOML with every setting."""
    from ctstudio.learn import wording
    from ctstudio.learn.recipe import bundled

    if name is not None:
        from ctstudio.workflows.training import find_recipe

        click.echo(find_recipe(name).to_toml(), nl=False)
        return
    for key, recipe in bundled().items():
        length = wording.steps(recipe.total_steps)
        if recipe.stopping.seconds:
            length = f"{recipe.stopping.seconds:g} s or {length}, whichever is first"
        click.echo(f"{key}: {recipe.title or key}")
        click.echo(f"    {wording.network(recipe)} {wording.material(recipe)}, {length}")
        if recipe.description:
            text = recipe.description
            click.echo(click.wrap_text(text, 96, initial_indent="    ", subsequent_indent="    "))
