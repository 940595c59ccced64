"""The contact sheet."""

import pytest
from PIL import ImageChops

from nima_pretrain.distortions import get_bank
from nima_pretrain.distortions.contact_sheet import contact_sheet


@pytest.mark.parametrize("name", ["paper", "repaired"])
def test_every_view_is_on_the_sheet(name, photo):
    bank = get_bank(name)
    views = bank.render(photo, size=32)
    sheet = contact_sheet(views, bank)
    assert sheet.height > 21 * 112
    for index in (0, 1, 2, 3, bank.num_views // 2, bank.num_views - 1):
        changed = views.copy()
        changed[index] = 255 - changed[index]
        assert ImageChops.difference(sheet, contact_sheet(changed, bank)).getbbox(), index
