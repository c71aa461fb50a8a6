"""xml.etree and pickle: a document built, written, parsed, copied."""
import pickle
import xml.etree.ElementTree as ET


def main():
    root = ET.Element("catalog")
    for i in range(20000):
        book = ET.SubElement(root, "book", {"id": "b%d" % i, "lang": "en"})
        ET.SubElement(book, "title").text = "Title number %d" % i
        ET.SubElement(book, "author").text = "Author %d" % (i % 997)
        ET.SubElement(book, "price").text = "%.2f" % (i / 7)
    total = 0
    for _ in range(3):
        text = ET.tostring(root)
        root = ET.fromstring(text)
        rows = [(book.attrib, [(child.tag, child.text) for child in book]) for book in root.iter("book")]
        copy = pickle.loads(pickle.dumps(rows))
        total += len(text) + len(copy) + sum(len(parts) for _, parts in copy)
    print(total)


main()
