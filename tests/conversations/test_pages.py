"""What members do on our pages, from the message they got to the result their group reads."""

from __future__ import annotations

import asyncio

from tests.world import Person, World, july

GROUP = "新手答疑群"


async def asked_on_saturday(world: World, *names: str) -> tuple[list[Person], str]:
    """A group that got its weekly light interaction; its members, and the link in it."""
    await world.founds(GROUP)
    members = [await world.joins(name, GROUP) for name in names]
    await world.publishes("weekly_light")
    await world.leap_to(july(4, "19:29"))
    await world.turn(minutes=5)
    await world.confirms_all()
    return members, world.link_in(GROUP)


async def test_a_vote_by_link_becomes_a_tag_and_a_result_in_the_group(world: World) -> None:
    (lin, zhou), address = await asked_on_saturday(world, "小林", "老周")

    for person, choice in ((lin, "A"), (zhou, "B")):
        done = await person.sends(address, option=choice)
        assert "收到，你选了" in done.html
    await world.leap_to(july(5, "19:45"))
    await world.confirms_all()

    assert "结果出来啦，一共 2 位伙伴作答" in world.group_heard(GROUP)[-1]
    assert (await lin.known()).tags
    assert (await lin.known()).tags != (await zhou.known()).tags


async def test_the_visit_of_a_link_is_remembered_of_who_came(world: World) -> None:
    (lin,), address = await asked_on_saturday(world, "小林")

    await lin.opens(address)

    deeds = await world.ask(lambda tx: tx.activity.of_member(lin.id))
    assert "visited" in [deed.kind for deed in deeds]


async def test_somebody_who_is_no_friend_may_look_but_not_vote(world: World) -> None:
    _, address = await asked_on_saturday(world, "小林")
    stranger = world.sim.acts.meet("路人").id

    page = await world.sim.browsers.open(stranger, address)

    assert (page.status, page.forms) == (200, [])
    assert "还不认识你" in page.html


async def test_a_coupon_claimed_on_the_page_is_the_one_told_in_words(world: World) -> None:
    await world.coupons("welcome", 3, name="新人咖啡券")
    lin = await world.befriends("小林")
    public = world.app.settings.public_url

    claimed = await lin.sends(f"{public}/m/coupon/welcome")
    told = await lin.says("领券")

    assert "welcome-0000" in claimed.html
    assert "还是这张：welcome-0000" in told


async def test_opting_out_on_the_page_is_heard_everywhere(world: World) -> None:
    lin = await world.befriends("小林")
    public = world.app.settings.public_url

    done = await lin.sends(f"{public}/m/preferences")

    assert "你已退订" in done.html
    assert await world.ask(lambda tx: tx.consent.refused([lin.id])) == {lin.id}


async def test_a_form_sent_twice_by_an_impatient_thumb_has_one_effect_and_one_answer(world: World) -> None:
    await world.coupons("welcome", 3, name="新人咖啡券")
    (lin,), address = await asked_on_saturday(world, "小林")
    coupon, check_in = (f"{world.app.settings.public_url}/m/{page}" for page in ("coupon/welcome", "checkin"))

    votes = await twice(lin, address, option="A")
    codes = await twice(lin, coupon)
    days = await twice(lin, check_in)

    assert all("收到，你选了" in html for html in votes)
    assert all("welcome-0000" in html for html in codes)
    assert all("第一天" in html for html in days)
    deeds = await world.ask(lambda tx: [deed.kind for deed in tx.activity.of_member(lin.id)])
    assert [deeds.count(kind) for kind in ("answered", "checked_in")] == [1, 1]
    assert (await world.ask(lambda tx: tx.coupons.usage()))[0].claimed == 1


async def twice(person: Person, address: str, **answers: str) -> list[str]:
    """The same form of the same page, sent two times at once."""
    form = (await person.opens(address)).forms[0]
    browsers = person.world.sim.browsers
    pages = await asyncio.gather(*(browsers.submit(person.id, form, **answers) for _ in range(2)))
    await person.world.settle()
    return [page.html for page in pages]
