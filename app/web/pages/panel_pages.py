"""Test telephones: the register, those of a run, and the personal page of each one's holder."""

from __future__ import annotations

from fastapi import Response

from app.api.dependencies import Id, Routes
from app.core import areas, clock
from app.core.errors import AppError, NotFound
from app.operations import OPERATIONS
from app.reports.counting import panel_judgements
from app.reports.forms import letterhead
from app.security.roles import may
from app.telephone_panel import answers, register
from app.telephone_panel.answers import Answer, AnswerWay
from app.web import assets, query_params
from app.web.operation_forms import add_forms
from app.web.rendering import Fields, FormState, PageRequest, Visit, redirect_with_flash, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ANSWERS: dict[str, Said] = {
    Answer.RECEIVED: say("received"),
    Answer.NOT_RECEIVED: say("not received"),
    Answer.OFF: say("was off"),
}
WAYS: dict[str, Said] = {
    AnswerWay.LINK: say("by the personal link"),
    AnswerWay.SMS: say("by SMS"),
    AnswerWay.GATEWAY: say("by the gateway app"),
}
_BLANK = FormState()


@router.get("/panel")
def page_panel(visit: Visit) -> Response:
    """List the test telephones, with forms to add and remove some."""
    return _register(visit)


@router.get("/runs/{run_id}/panel")
def page_run_panel(run_id: Id, visit: Visit) -> Response:
    """Show which telephones take part in a run, what they have answered, and each one's personal link."""
    return _run(visit, run_id)


@router.get("/panel/{run_id}/{telephone_id}/{stamp}")
def page_panel_link(run_id: Id, telephone_id: Id, stamp: str, visit: Visit) -> Response:
    """Ask the holder of a test telephone whether the text has come; looking changes nothing."""
    return _personal(visit, run_id, telephone_id, stamp)


@router.post("/panel/{run_id}/{telephone_id}/{stamp}")
def page_do_answer_panel_link(
    run_id: Id, telephone_id: Id, stamp: str, visit: Visit, fields: Fields
) -> Response:
    """Keep what the holder presses."""
    try:
        visit.db.write(answers.answer_link, run_id, telephone_id, stamp, fields.get("answer"))
    except AppError as error:
        return _personal(visit, run_id, telephone_id, stamp, error)
    return redirect_with_flash(visit, f"/panel/{run_id}/{telephone_id}/{stamp}", say("Thank you."))


def _register(visit: PageRequest, entered: FormState = _BLANK) -> Response:
    return render(
        visit,
        "panel.html",
        entered.status,
        entered=entered,
        telephones=visit.db.read(register.telephones),
        carriers=query_params.carriers(visit.settings),
        area_names=_area_names(),
        keeps=may(visit.who.role, "add_panel_telephone"),
    )


def _run(visit: PageRequest, run_id: int, entered: FormState = _BLANK) -> Response:
    run = visit.db.read(answers.run_of, run_id)
    found = visit.db.read(panel_judgements.of_campaign, run.campaign_id)
    hosts = visit.settings.public_hosts
    return render(
        visit,
        "run_panel.html",
        entered.status,
        entered=entered,
        run=run,
        members=OPERATIONS["list_run_panel"].run(visit.db, visit.settings, visit.who, run_id=run_id),
        judgement=next((each for each in found if each.run_id == run_id), None),
        base=f"https://{hosts[0]}" if hosts else str(visit.request.base_url).rstrip("/"),
        over=run.over(clock.now_ms()),
        area_names=_area_names(),
        answers=ANSWERS,
        ways=WAYS,
        asks=may(visit.who.role, "ask_run_panel"),
    )


def _personal(
    visit: PageRequest, run_id: int, telephone_id: int, stamp: str, error: AppError | None = None
) -> Response:
    """Show the question. Neither number nor text of the campaign is on it: whoever sees it learns nothing."""
    agency = letterhead.load(visit.settings.letterheads).of("", clock.local(clock.now()).date()).agency
    shown = {"agency": agency, "crest": assets.crest(visit.settings), "answers": ANSWERS, "error": error}
    try:
        member = visit.db.read(answers.open_link, run_id, telephone_id, stamp)
        run = visit.db.read(answers.run_of, run_id)
    except NotFound as refused:
        page = render(visit, "panel_link.html", 404, member=None, **shown | {"error": refused})
    else:
        state = {"over": run.over(clock.now_ms()), "action": f"/panel/{run_id}/{telephone_id}/{stamp}"}
        page = render(
            visit, "panel_link.html", error.status if error else 200, member=member, **state, **shown
        )
    page.headers["Cache-Control"] = "no-store"
    return page


def _area_names() -> dict[str, str]:
    today = clock.local(clock.now()).date()
    return {area.code: area.name for area in areas.current(today)}


add_forms(
    router,
    register,
    answers,
    only={
        "add_panel_telephone": _register,
        "import_panel_telephones": _register,
        "remove_panel_telephone": None,
        "ask_run_panel": _run,
    },
)
