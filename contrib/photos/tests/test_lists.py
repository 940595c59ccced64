"""Lists: the public formats of both APIs, CSV and addresses."""

import json

import pytest
from photo_sets.lists import (
    PEXELS_LICENSE,
    UNKNOWN_LICENSE,
    UNSPLASH_LICENSE,
    ListedPhoto,
    read_list,
    read_source,
    without_repetitions,
    write_list,
)

from nima_pretrain.errors import InputError

# Objects as the documentation of the APIs shows them, some keys left out.
PEXELS = {
    "id": 156934,
    "width": 3674,
    "height": 2736,
    "url": "https://www.pexels.com/photo/white-and-black-cat-156934/",
    "photographer": "Flickr",
    "photographer_url": "https://www.pexels.com/@flickr",
    "photographer_id": 42313,
    "avg_color": "#AFAFAD",
    "src": {
        "original": "https://images.pexels.com/photos/156934/pexels-photo-156934.jpeg",
        "large2x": "https://images.pexels.com/photos/156934/pexels-photo-156934.jpeg?dpr=2&h=650",
    },
    "liked": False,
    "alt": "",
}
UNSPLASH = {
    "id": "Dwu85P9SOIk",
    "width": 5616,
    "height": 3744,
    "urls": {
        "raw": "https://images.unsplash.com/photo-1468820965834-2a600bffd29d?ixlib=rb-4.0.3",
        "regular": "https://images.unsplash.com/photo-1468820965834-2a600bffd29d?w=1080",
    },
    "links": {"html": "https://unsplash.com/photos/Dwu85P9SOIk"},
    "user": {
        "id": "pXhwzz1JtQU",
        "name": 'Zoë, the "first"',
        "links": {"html": "https://unsplash.com/@zoe"},
    },
}
FROM_PEXELS = ListedPhoto(
    "pexels-156934",
    "https://images.pexels.com/photos/156934/pexels-photo-156934.jpeg",
    "https://www.pexels.com/photo/white-and-black-cat-156934/",
    "Flickr",
    "https://www.pexels.com/@flickr",
    PEXELS_LICENSE,
)
FROM_UNSPLASH = ListedPhoto(
    "unsplash-Dwu85P9SOIk",
    "https://images.unsplash.com/photo-1468820965834-2a600bffd29d?ixlib=rb-4.0.3",
    "https://unsplash.com/photos/Dwu85P9SOIk",
    'Zoë, the "first"',
    "https://unsplash.com/@zoe",
    UNSPLASH_LICENSE,
)


@pytest.mark.parametrize(
    ("content", "photos"),
    [
        ({"page": 1, "per_page": 1, "photos": [PEXELS], "next_page": "..."}, [FROM_PEXELS]),
        (PEXELS, [FROM_PEXELS]),
        ([UNSPLASH], [FROM_UNSPLASH]),
        ({"total": 1, "total_pages": 1, "results": [UNSPLASH]}, [FROM_UNSPLASH]),
        (UNSPLASH, [FROM_UNSPLASH]),
    ],
)
def test_answers_of_the_apis_are_read(tmp_path, content, photos):
    (tmp_path / "answer").write_text(json.dumps(content, indent=1))
    assert read_source(tmp_path / "answer") == photos


def test_several_answers_stand_one_a_line_and_sizes_can_be_chosen(tmp_path):
    lines = [json.dumps({"photos": [PEXELS]}), json.dumps([UNSPLASH, UNSPLASH | {"premium": True}])]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines) + "\n")
    one, two, three = read_source(tmp_path / "answers.jsonl", "large")
    assert one.url == PEXELS["src"]["large2x"]
    assert two.url == UNSPLASH["urls"]["regular"]
    assert (two.license, three.license) == (UNSPLASH_LICENSE, UNKNOWN_LICENSE)


def test_a_page_of_pexels_stands_for_its_photo(tmp_path):
    page = "https://www.pexels.com/photo/white-and-black-cat-156934/"
    (tmp_path / "a").write_text(f"# the paper's list\n\n{page}\nhttps://pexels.com/photo/7/\n")
    one, two = read_source(tmp_path / "a")
    assert one == FROM_PEXELS._replace(author="", author_page="")
    assert two.url == "https://images.pexels.com/photos/7/pexels-photo-7.jpeg"
    (tmp_path / "b").write_text(f"id,url,photographer\npexels-156934,{page},Flickr\n")
    assert read_source(tmp_path / "b") == [FROM_PEXELS._replace(author_page="")]


def test_addresses_alone_get_the_licence_that_is_named(tmp_path):
    (tmp_path / "a").write_text("http://a.org/1.jpg\r\nhttps://a.org/2.jpg?x=1,2\r\n")
    photos = read_source(tmp_path / "a", license="CC0")
    assert [photo.url for photo in photos] == ["http://a.org/1.jpg", "https://a.org/2.jpg?x=1,2"]
    assert {photo.license for photo in photos} == {"CC0"}
    assert len({photo.id for photo in photos}) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.jpg\n", "Expected addresses that begin with http:// or https:// in .*'a.jpg'"),
        ("file:///etc/passwd\n", "Expected addresses"),
        ("http://a.org/a b.jpg\n", "Expected addresses"),
        ("", "names none"),
        ('{"photos": [{"id": 1}]}', "Expected photo objects of pexels' or Unsplash's API"),
        ('{"photos": [5]}', "Expected photo objects"),
        ('{"photos": [', "is not JSON"),
        ('{"photos": []}', "names none"),
        (json.dumps(PEXELS | {"photographer": None}), "Expected addresses"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    (tmp_path / "list").write_text(content)
    with pytest.raises(InputError, match=message):
        read_source(tmp_path / "list")


def test_a_list_comes_back_as_it_went_and_repetitions_are_left_out(tmp_path):
    repeated = FROM_UNSPLASH._replace(id="other")
    photos = without_repetitions([FROM_PEXELS, FROM_UNSPLASH, FROM_PEXELS, repeated])
    write_list(tmp_path / "list.csv", photos)
    assert read_list(tmp_path / "list.csv") == photos == [FROM_PEXELS, FROM_UNSPLASH]
    (tmp_path / "other.csv").write_text("id,url\n1,http://a.org/1.jpg\n")
    with pytest.raises(InputError, match="which the command `list` writes"):
        read_list(tmp_path / "other.csv")
